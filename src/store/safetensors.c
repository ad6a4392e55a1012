// SPDX-License-Identifier: MIT
/*
 * Reading safetensors: the header is walked to check and count; then to sort the tensors by place, which shows gaps and
 * overlaps; then to index them and the entries by name, which shows doubles and lets them be found.
 *
 * Whatever the bytes, the time is that of n log n steps for n bytes of header, and each step back to a name costs no more than
 * the characters in which it is like another.
 */
#include "store/safetensors.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/growing.h"
#include "base/memory.h"
#include "base/status.h"
#include "store/io_failure.h"
#include "store/text.h"

enum {
    LENGTH_SIZE = 8,                /* of the header's length */
    MOST_ENTRIES = 2000,            /* of the metadata, and of tensors with less data than ... */
    DATA_THAT_PROVES_A_TENSOR = 48, /* ... bytes each: what is kept for them stays below 64 KiB, or the data justifies it */
    CHUNK = 65536,
    MOST_AT = 0x7FFFFFFF /* what a bpi_key_place can tell, more than the most bytes of a header */
};

/* ---- Types of elements ----------------------------------------------------------------------------------------------- */

static const struct dtype {
    const char *name;
    enum bpi_dtype dtype;
    unsigned size;
} dtypes[] = {
    { "F64", BPI_F64, 8 },
    { "F32", BPI_F32, 4 },
    { "F16", BPI_F16, 2 },
    { "BF16", BPI_BF16, 2 },
    { "U64", BPI_U64, 8 },
    { "I64", BPI_OTHER_DTYPE, 8 },
    { "I32", BPI_OTHER_DTYPE, 4 },
    { "U32", BPI_OTHER_DTYPE, 4 },
    { "I16", BPI_OTHER_DTYPE, 2 },
    { "U16", BPI_OTHER_DTYPE, 2 },
    { "I8", BPI_OTHER_DTYPE, 1 },
    { "U8", BPI_OTHER_DTYPE, 1 },
    { "BOOL", BPI_OTHER_DTYPE, 1 },
    { "C64", BPI_OTHER_DTYPE, 8 },
    { "F8_E4M3", BPI_OTHER_DTYPE, 1 },
    { "F8_E5M2", BPI_OTHER_DTYPE, 1 },
    { "F8_E8M0", BPI_OTHER_DTYPE, 1 },
};

static const struct dtype *find_dtype(const struct bpi_json_string *name)
{
    for (size_t i = 0; i < sizeof dtypes / sizeof dtypes[0]; i++)
        if (bpi_json_equals(name, dtypes[i].name))
            return &dtypes[i];
    return NULL;
}

/* ---- A tensor's description ------------------------------------------------------------------------------------------ */

/* What a description says. */
struct description {
    struct bpi_tensor tensor;
    const struct dtype *dtype; /* NULL until it is read, as the next two */
    bool has_shape, has_offsets;
    uint64_t begin, end;
};

static bp_status read_dtype(struct bpi_json *json, struct description *d)
{
    const size_t at = json->at;
    struct bpi_json_string name;
    if (d->dtype != NULL)
        return bpi_json_fail(json, "one dtype");
    BPI_TRY(bpi_json_string(json, &name));
    d->dtype = find_dtype(&name);
    if (d->dtype == NULL) {
        json->at = at;
        return bpi_json_fail(json, "a type of elements");
    }
    d->tensor.dtype = d->dtype->dtype;
    d->tensor.dtype_name = d->dtype->name;
    return BP_OK;
}

static bp_status read_shape(struct bpi_json *json, struct description *d)
{
    struct bpi_tensor *tensor = &d->tensor;
    bool more;
    if (d->has_shape)
        return bpi_json_fail(json, "one shape");
    d->has_shape = true;
    tensor->dims[0] = tensor->dims[1] = tensor->n = 1;
    BPI_TRY(bpi_json_punctuation(json, '['));
    for (;; tensor->n_dims++) {
        uint64_t dim;
        BPI_TRY(bpi_json_next(json, ']', tensor->n_dims, &more));
        if (!more)
            return BP_OK;
        BPI_TRY(bpi_json_u64(json, &dim));
        if (dim != 0 && tensor->n > UINT64_MAX / dim)
            return bpi_json_fail(json, "dimensions whose product is below 2^64");
        tensor->n *= dim;
        if (tensor->n_dims < 2)
            tensor->dims[tensor->n_dims] = dim;
    }
}

static bp_status read_offsets(struct bpi_json *json, struct description *d)
{
    if (d->has_offsets)
        return bpi_json_fail(json, "one data_offsets");
    d->has_offsets = true;
    BPI_TRY(bpi_json_punctuation(json, '['));
    BPI_TRY(bpi_json_u64(json, &d->begin));
    BPI_TRY(bpi_json_punctuation(json, ','));
    BPI_TRY(bpi_json_u64(json, &d->end));
    if (d->end > PTRDIFF_MAX)
        return bpi_json_fail(json, "offsets that memory can have");
    return bpi_json_punctuation(json, ']');
}

static const struct member {
    const char *key;
    bp_status (*read)(struct bpi_json *json, struct description *d);
} members[] = { { "dtype", read_dtype }, { "shape", read_shape }, { "data_offsets", read_offsets } };

enum { N_MEMBERS = sizeof members / sizeof members[0] };

static bp_status read_member(struct bpi_json *json, struct description *d)
{
    const size_t at = json->at;
    struct bpi_json_string key;
    BPI_TRY(bpi_json_key(json, &key));
    for (size_t i = 0; i < N_MEMBERS; i++)
        if (bpi_json_equals(&key, members[i].key))
            return members[i].read(json, d);
    json->at = at;
    return bpi_json_fail(json, "dtype, shape or data_offsets");
}

static bp_status check_size(const struct bpi_json *json, const struct description *d)
{
    if (d->begin > d->end || d->tensor.n > (d->end - d->begin) / d->dtype->size ||
        d->tensor.n * d->dtype->size != d->end - d->begin)
        return bpi_fail(BP_ERR_FORMAT, "%s: tensor %s has %llu elements of %u bytes, but data_offsets from %llu to %llu",
                        json->name, bpi_quote(d->tensor.name.raw, d->tensor.name.n).text, (unsigned long long)d->tensor.n,
                        d->dtype->size, (unsigned long long)d->begin, (unsigned long long)d->end);
    return BP_OK;
}

/* Reads what stands behind a tensor's name. */
static bp_status read_description(struct bpi_json *json, struct description *d)
{
    bool more;
    BPI_TRY(bpi_json_punctuation(json, '{'));
    for (size_t n = 0;; n++) {
        BPI_TRY(bpi_json_next(json, '}', n, &more));
        if (!more)
            break;
        BPI_TRY(read_member(json, d));
    }
    if (d->dtype == NULL || !d->has_shape || !d->has_offsets)
        return bpi_fail(BP_ERR_FORMAT, "%s: tensor %s lacks %s", json->name,
                        bpi_quote(d->tensor.name.raw, d->tensor.name.n).text,
                        d->dtype == NULL ? "dtype"
                        : !d->has_shape  ? "shape"
                                         : "data_offsets");
    return check_size(json, d);
}

/* ---- The header ------------------------------------------------------------------------------------------------------ */

/* Where a tensor's data lie. */
struct place {
    uint64_t begin, end;
    uint32_t at; /* byte of the header at which its name begins */
};

/* A walk through the header. The first one counts; later ones know how many there are, and note what they are asked to. */
struct walk {
    struct bpi_json json;
    struct place *places;                     /* of the tensors; NULL: not asked for, as the next two */
    struct bpi_key_place *tensors, *metadata; /* of their names and keys */
    bool has_metadata, has_own_keys;          /* "__metadata__" was there; some key begins with "bp." */
    size_t n_tensors, n_metadata;
    uint64_t end; /* of the data, as the tensors have it */
};

static bp_status walk_metadata(struct walk *walk)
{
    struct bpi_json *json = &walk->json;
    bool more;
    if (walk->has_metadata)
        return bpi_json_fail(json, "one __metadata__");
    walk->has_metadata = true;
    BPI_TRY(bpi_json_punctuation(json, '{'));
    for (;; walk->n_metadata++) {
        struct bpi_json_string key, value;
        BPI_TRY(bpi_json_next(json, '}', walk->n_metadata, &more));
        if (!more)
            return BP_OK;
        (void)bpi_json_at_end(json);
        if (walk->metadata != NULL)
            walk->metadata[walk->n_metadata] = (struct bpi_key_place){ .at = (uint32_t)json->at & MOST_AT };
        BPI_TRY(bpi_json_key(json, &key));
        BPI_TRY(bpi_json_string(json, &value));
        walk->has_own_keys = walk->has_own_keys || bpi_json_begins(&key, "bp.");
    }
}

static bp_status walk_tensor(struct walk *walk, const struct bpi_json_string *name, size_t at)
{
    struct description d = { .tensor = { .name = *name } };
    BPI_TRY(read_description(&walk->json, &d));
    if (walk->places != NULL)
        walk->places[walk->n_tensors] = (struct place){ .begin = d.begin, .end = d.end, .at = (uint32_t)at };
    if (walk->tensors != NULL)
        walk->tensors[walk->n_tensors] = (struct bpi_key_place){ .at = (uint32_t)at & MOST_AT };
    walk->n_tensors++;
    walk->end = d.end > walk->end ? d.end : walk->end;
    return BP_OK;
}

static bp_status walk_header(struct walk *walk)
{
    struct bpi_json *json = &walk->json;
    bool more;
    BPI_TRY(bpi_json_punctuation(json, '{'));
    if (json->at != 1) { /* the reference, too, has no blanks before it */
        json->at = 0;
        return bpi_json_fail(json, "'{'");
    }
    for (size_t n = 0;; n++) {
        struct bpi_json_string name;
        BPI_TRY(bpi_json_next(json, '}', n, &more));
        if (!more)
            break;
        (void)bpi_json_at_end(json);
        const size_t at = json->at;
        BPI_TRY(bpi_json_key(json, &name));
        if (bpi_json_equals(&name, "__metadata__"))
            BPI_TRY(walk_metadata(walk));
        else
            BPI_TRY(walk_tensor(walk, &name, at));
    }
    return bpi_json_at_end(json) ? BP_OK : bpi_json_fail(json, "nothing but blanks");
}

static struct walk begin_walk(const struct bpi_safetensors *st)
{
    return (struct walk){ .json = { .name = st->name, .text = st->header, .n = st->n_header } };
}

/* A walk that goes as the first one did. */
static void walk_again(struct walk *walk)
{
    const bp_status status = walk_header(walk);
    assert(status == BP_OK);
    (void)status;
}

/* ---- Strings of the header ------------------------------------------------------------------------------------------- */

/* One to compare: it reaches to the header's end, and means what stands before its quote, which need not be looked for. */
static struct bpi_json_string open_string(const struct bpi_safetensors *st, size_t at)
{
    return (struct bpi_json_string){ .raw = st->header + at + 1, .n = st->n_header - at - 1 };
}

static struct bpi_json_string string_at(const struct bpi_safetensors *st, size_t at, struct bpi_json *behind)
{
    struct bpi_json_string string = { .raw = "" };
    *behind = (struct bpi_json){ .name = st->name, .text = st->header, .n = st->n_header, .at = at };
    (void)bpi_json_string(behind, &string); /* was found right before */
    return string;
}

static int compare_keys(const struct bpi_safetensors *st, struct bpi_key_place a, struct bpi_key_place b)
{
    const struct bpi_json_string text_a = open_string(st, a.at), text_b = open_string(st, b.at);
    return bpi_json_compare(&text_a, &text_b);
}

/* ---- The data -------------------------------------------------------------------------------------------------------- */

/* By place; empty tensors before the one that begins where they are. */
static bool is_before(const struct place *a, const struct place *b)
{
    return a->begin < b->begin || (a->begin == b->begin && a->end < b->end);
}

static void sift_down(struct place *places, size_t root, size_t n)
{
    for (size_t child = 2 * root + 1; child < n; root = child, child = 2 * root + 1) {
        if (child + 1 < n && is_before(&places[child], &places[child + 1]))
            child++;
        if (!is_before(&places[root], &places[child]))
            return;
        const struct place held = places[root];
        places[root] = places[child];
        places[child] = held;
    }
}

/* Heapsort: in place, in n log n whatever the order; the C library's qsort() may allocate, or take n^2. */
static void sort_places(struct place *places, size_t n)
{
    for (size_t root = n / 2; root-- > 0;)
        sift_down(places, root, n);
    for (size_t end = n; end-- > 1;) {
        const struct place held = places[0];
        places[0] = places[end];
        places[end] = held;
        sift_down(places, 0, end);
    }
}

static bp_status check_places(const struct bpi_safetensors *st, const struct place *places, size_t n)
{
    uint64_t end = 0;
    for (size_t i = 0; i < n; i++) {
        if (places[i].begin != end) {
            struct bpi_json behind;
            const struct bpi_json_string name = string_at(st, places[i].at, &behind);
            return bpi_fail(BP_ERR_FORMAT, "%s: tensor %s begins at byte %llu of the data, the one before it ends at %llu",
                            st->name, bpi_quote(name.raw, name.n).text, (unsigned long long)places[i].begin,
                            (unsigned long long)end);
        }
        end = places[i].end;
    }
    return BP_OK;
}

/* Every byte of the data belongs to one tensor. */
static bp_status check_data(const struct bpi_safetensors *st, const struct walk *counted)
{
    struct bpi_plan plan = { 0 };
    struct walk walk = begin_walk(st);
    void *block;
    const size_t places = bpi_plan_array(&plan, counted->n_tensors, sizeof *walk.places);
    BPI_TRY(bpi_plan_allocate(&plan, st->name, &st->allocator, &block));
    if (block == NULL)
        return BP_OK;
    walk.places = bpi_place(block, places);
    walk_again(&walk);
    sort_places(walk.places, walk.n_tensors);
    const bp_status status = check_places(st, walk.places, walk.n_tensors);
    bpi_release(&st->allocator, block);
    return status;
}

/* ---- The index ------------------------------------------------------------------------------------------------------- */

/* Merges the sorted runs of n_a and n_b keys that begin at `from`. */
static void merge(const struct bpi_safetensors *st, const struct bpi_key_place *from, size_t n_a, size_t n_b,
                  struct bpi_key_place *to)
{
    const struct bpi_key_place *a = from, *b = from + n_a, *const end_a = b, *const end_b = b + n_b;
    while (a < end_a && b < end_b)
        *to++ = compare_keys(st, *a, *b) <= 0 ? *a++ : *b++;
    while (a < end_a)
        *to++ = *a++;
    while (b < end_b)
        *to++ = *b++;
}

/*
 * Merge sort. Each comparison costs no more than the length of the key that goes out by it, so all of them together no more than
 * the header's bytes times log n. (In a heap, two long keys side by side can be compared n times.)
 */
static void sort_keys(const struct bpi_safetensors *st, struct bpi_key_place *keys, struct bpi_key_place *scratch, size_t n)
{
    struct bpi_key_place *from = keys, *to = scratch;
    for (size_t run = 1; run < n; run *= 2) {
        for (size_t i = 0; i < n; i += 2 * run) {
            const size_t n_a = n - i < run ? n - i : run, left = n - i - n_a;
            merge(st, from + i, n_a, left < run ? left : run, to + i);
        }
        struct bpi_key_place *const held = from;
        from = to;
        to = held;
    }
    if (from != keys)
        memcpy(keys, from, n * sizeof *keys);
}

static bp_status check_doubles(const struct bpi_safetensors *st, const struct bpi_key_place *keys, size_t n,
                               const char *what)
{
    for (size_t i = 1; i < n; i++) {
        if (compare_keys(st, keys[i - 1], keys[i]) == 0) {
            struct bpi_json behind;
            const struct bpi_json_string name = string_at(st, keys[i].at, &behind);
            return bpi_fail(BP_ERR_FORMAT, "%s: two %s have the name %s", st->name, what, bpi_quote(name.raw, name.n).text);
        }
    }
    return BP_OK;
}

bp_status bpi_safetensors_check_counts(bp_status status, const char *name, size_t n_metadata, size_t n_tensors,
                                       uint64_t n_data)
{
    if (n_metadata > MOST_ENTRIES)
        return bpi_fail(status, "%s: __metadata__ has %zu entries: expected at most %d", name, n_metadata, MOST_ENTRIES);
    if (n_tensors > MOST_ENTRIES && n_data / DATA_THAT_PROVES_A_TENSOR < n_tensors)
        return bpi_fail(status, "%s: %zu tensors in %llu bytes of data: expected at most %d, or %d bytes for each", name,
                        n_tensors, (unsigned long long)n_data, MOST_ENTRIES, DATA_THAT_PROVES_A_TENSOR);
    return BP_OK;
}

/* Indexes a header that a walk has counted and found right. */
static bp_status make_index(struct bpi_safetensors *st, const struct walk *counted)
{
    const size_t n_tensors = counted->n_tensors, n_metadata = counted->n_metadata;
    struct bpi_plan plan = { 0 };
    const size_t tensors = bpi_plan_array(&plan, n_tensors, sizeof *st->tensors);
    const size_t entries = bpi_plan_array(&plan, n_metadata, sizeof *st->entries);
    const size_t sorted = bpi_plan_array(&plan, n_metadata, sizeof *st->sorted);
    const size_t scratch = bpi_plan_array(&plan, n_tensors > n_metadata ? n_tensors : n_metadata, sizeof *st->sorted);
    BPI_TRY(bpi_plan_allocate(&plan, st->name, &st->allocator, &st->block));
    if (st->block == NULL)
        return BP_OK;
    st->tensors = bpi_place(st->block, tensors);
    st->entries = bpi_place(st->block, entries);
    st->sorted = bpi_place(st->block, sorted);
    st->n_tensors = n_tensors;
    st->n_metadata = n_metadata;

    struct walk walk = begin_walk(st);
    walk.tensors = st->tensors;
    walk.metadata = st->sorted;
    walk_again(&walk);
    for (size_t i = 0; i < n_metadata; i++)
        st->entries[i] = st->sorted[i].at;
    sort_keys(st, st->tensors, bpi_place(st->block, scratch), n_tensors);
    sort_keys(st, st->sorted, bpi_place(st->block, scratch), n_metadata);
    BPI_TRY(check_doubles(st, st->sorted, n_metadata, "entries of __metadata__"));
    return check_doubles(st, st->tensors, n_tensors, "tensors");
}

/* ---- The checksum ---------------------------------------------------------------------------------------------------- */

static bool reads_crc(const struct bpi_json_string *digits, uint32_t *crc)
{
    *crc = 0;
    for (size_t i = 0; i < digits->n; i++) {
        const char c = digits->raw[i];
        if (!((c >= '0' && c <= '9') || (c >= 'a' && c <= 'f')))
            return false;
        *crc = *crc << 4 | (uint32_t)(c <= '9' ? c - '0' : c - 'a' + 10);
    }
    return digits->n == 8;
}

static uint32_t crc_of(const struct bpi_safetensors *st, size_t digits)
{
    unsigned char length[LENGTH_SIZE];
    for (size_t i = 0; i < LENGTH_SIZE; i++)
        length[i] = (unsigned char)((uint64_t)st->n_header >> 8 * i);
    uint32_t crc = bpi_crc32(0, length, LENGTH_SIZE);
    crc = bpi_crc32(crc, st->header, digits);
    crc = bpi_crc32(crc, "00000000", 8);
    crc = bpi_crc32(crc, st->header + digits + 8, st->n_header - digits - 8);
    return bpi_crc32(crc, st->data, st->n_data);
}

/* A file of ours has a checksum; in one of others it is only a word. */
static bp_status check_crc(const struct bpi_safetensors *st, bool has_own_keys)
{
    struct bpi_json_string digits;
    uint32_t expected;
    if (!has_own_keys)
        return BP_OK;
    if (!bpi_safetensors_value(st, BPI_CRC_KEY, &digits) || !reads_crc(&digits, &expected))
        return bpi_fail(BP_ERR_FORMAT,
                        "%s: there are keys that begin with bp., but no checksum %s of eight hexadecimal digits", st->name,
                        BPI_CRC_KEY);
    const uint32_t found = crc_of(st, (size_t)(digits.raw - st->header));
    if (found != expected)
        return bpi_fail(BP_ERR_FORMAT, "%s: the file is damaged: its checksum should be %08lx, and is %08lx", st->name,
                        (unsigned long)expected, (unsigned long)found);
    return BP_OK;
}

/* ---- Bytes ----------------------------------------------------------------------------------------------------------- */

/* The bytes of a file, in order. */
struct bytes {
    const char *name;
    const unsigned char *memory; /* NULL: a file */
    FILE *file;
    bool size_is_known;
    size_t left; /* if it is known */
};

/* Up to n bytes of a file; fewer only at its end. */
static bp_status read_file(struct bytes *bytes, void *to, size_t n, size_t *n_read)
{
    errno = 0;
    *n_read = fread(to, 1, n, bytes->file);
    return ferror(bytes->file) ? bpi_io_failure(bytes->name, "reading failed") : BP_OK;
}

static bp_status too_short(const struct bytes *bytes, const char *what, uint64_t n, uint64_t found)
{
    return bpi_fail(BP_ERR_FORMAT, "%s: %s has %llu bytes, of which %llu are there", bytes->name, what,
                    (unsigned long long)n, (unsigned long long)found);
}

/* n bytes as they come, taking memory as they do. */
static bp_status grow(struct bytes *bytes, const char *what, size_t n, const bp_allocator *allocator, void **own)
{
    struct bpi_growing all = { 0 };
    bp_status status = BP_OK;
    while (status == BP_OK && all.n < n) {
        const size_t wanted = n - all.n < CHUNK ? n - all.n : CHUNK;
        size_t n_read = 0;
        status = bpi_growing_reserve(&all, allocator, bytes->name, wanted);
        if (status == BP_OK)
            status = read_file(bytes, (char *)all.data + all.n, wanted, &n_read);
        all.n += n_read;
        if (status == BP_OK && n_read < wanted)
            status = too_short(bytes, what, n, all.n);
    }
    if (status != BP_OK)
        bpi_growing_release(&all, allocator);
    *own = all.data;
    return status;
}

/* The same where all n are known to be there: all at once. */
static bp_status read_at_once(struct bytes *bytes, const char *what, size_t n, const bp_allocator *allocator, void **own)
{
    size_t n_read = 0;
    *own = bpi_allocate(allocator, n);
    if (*own == NULL)
        return bpi_fail(BP_ERR_MEMORY, "%s: no memory for %zu bytes", bytes->name, n);
    bp_status status = read_file(bytes, *own, n, &n_read);
    if (status == BP_OK && n_read < n)
        status = too_short(bytes, what, n, n_read);
    if (status != BP_OK) {
        bpi_release(allocator, *own);
        *own = NULL;
    }
    return status;
}

/* The next n bytes: *view of them; *own, unless NULL, is memory that was taken for it. */
static bp_status next_bytes(struct bytes *bytes, const char *what, uint64_t n, const bp_allocator *allocator,
                            const void **view, void **own)
{
    if (bytes->size_is_known && n > bytes->left)
        return too_short(bytes, what, n, bytes->left);
    if (n == 0)
        return BP_OK;
    if (bytes->memory != NULL) {
        *view = bytes->memory;
        bytes->memory += n;
    } else {
        BPI_TRY(bytes->size_is_known ? read_at_once(bytes, what, (size_t)n, allocator, own)
                                     : grow(bytes, what, (size_t)n, allocator, own));
        *view = *own;
    }
    bytes->left -= bytes->size_is_known ? (size_t)n : 0;
    return BP_OK;
}

static bp_status read_length(struct bytes *bytes, uint64_t *length)
{
    unsigned char little[LENGTH_SIZE] = { 0 };
    size_t n = bytes->size_is_known && bytes->left < LENGTH_SIZE ? bytes->left : LENGTH_SIZE;
    if (bytes->memory != NULL)
        memcpy(little, bytes->memory, n);
    else
        BPI_TRY(read_file(bytes, little, n, &n));
    if (n < LENGTH_SIZE)
        return too_short(bytes, "the length of the header", LENGTH_SIZE, n);
    if (bytes->memory != NULL)
        bytes->memory += LENGTH_SIZE;
    bytes->left -= bytes->size_is_known ? LENGTH_SIZE : 0;
    *length = 0;
    for (size_t i = 0; i < LENGTH_SIZE; i++)
        *length |= (uint64_t)little[i] << 8 * i;
    if (*length > BPI_MOST_HEADER)
        return bpi_fail(BP_ERR_FORMAT, "%s: its first eight bytes say that the header has %llu bytes: expected at most %d",
                        bytes->name, (unsigned long long)*length, BPI_MOST_HEADER);
    return BP_OK;
}

static bp_status check_end(struct bytes *bytes)
{
    unsigned char extra;
    size_t n = bytes->size_is_known ? bytes->left : 0;
    if (!bytes->size_is_known)
        BPI_TRY(read_file(bytes, &extra, 1, &n));
    return n == 0 ? BP_OK : bpi_fail(BP_ERR_FORMAT, "%s: there are bytes behind the data of the last tensor", bytes->name);
}

/* ---- All of it ------------------------------------------------------------------------------------------------------- */

static bp_status read_all(struct bpi_safetensors *st, struct bytes *bytes)
{
    uint64_t length = 0;
    const void *header = NULL, *data = NULL;
    BPI_TRY(read_length(bytes, &length));
    BPI_TRY(next_bytes(bytes, "the header", length, &st->allocator, &header, &st->own_header));
    st->header = header;
    st->n_header = (size_t)length;

    struct walk walk = begin_walk(st);
    BPI_TRY(walk_header(&walk));
    BPI_TRY(bpi_safetensors_check_counts(BP_ERR_FORMAT, st->name, walk.n_metadata, walk.n_tensors, walk.end));
    BPI_TRY(next_bytes(bytes, "the data", walk.end, &st->allocator, &data, &st->own_data));
    st->data = data;
    st->n_data = (size_t)walk.end;
    BPI_TRY(check_end(bytes));
    BPI_TRY(check_data(st, &walk));
    BPI_TRY(make_index(st, &walk));
    return check_crc(st, walk.has_own_keys);
}

static bp_status read_or_free(struct bpi_safetensors *st, struct bytes *bytes, const bp_allocator *allocator)
{
    *st = (struct bpi_safetensors){ .name = bytes->name, .allocator = *allocator };
    const bp_status status = read_all(st, bytes);
    if (status != BP_OK)
        bpi_safetensors_free(st);
    return status;
}

/* The size of a file that has one; whatever it is, the file is at its beginning. Devices say 0, and have more. */
static void measure(struct bytes *bytes)
{
    const long size = fseek(bytes->file, 0, SEEK_END) == 0 ? ftell(bytes->file) : -1;
    bytes->size_is_known = size > 0 && fseek(bytes->file, 0, SEEK_SET) == 0;
    bytes->left = bytes->size_is_known ? (size_t)size : 0;
    clearerr(bytes->file);
}

bp_status bpi_safetensors_read_path(struct bpi_safetensors *st, const char *path, const bp_allocator *allocator)
{
    struct bytes bytes = { .name = bpi_name_of_path(path) };
    *st = (struct bpi_safetensors){ 0 };
    errno = 0;
    bytes.file = fopen(path, "rb");
    if (bytes.file == NULL)
        return bpi_io_failure(bytes.name, "cannot be opened");
    measure(&bytes);
    const bp_status status = read_or_free(st, &bytes, allocator);
    (void)fclose(bytes.file); /* was only read */
    return status;
}

bp_status bpi_safetensors_read_memory(struct bpi_safetensors *st, const void *bytes, size_t size,
                                      const bp_allocator *allocator)
{
    struct bytes memory = { .name = "memory", .memory = bytes, .size_is_known = true, .left = size };
    return read_or_free(st, &memory, allocator);
}

void bpi_safetensors_free(struct bpi_safetensors *st)
{
    bpi_release(&st->allocator, st->block);
    bpi_release(&st->allocator, st->own_data);
    bpi_release(&st->allocator, st->own_header);
    *st = (struct bpi_safetensors){ 0 };
}

/* ---- Finding --------------------------------------------------------------------------------------------------------- */

struct bpi_tensor bpi_safetensors_tensor(const struct bpi_safetensors *st, size_t i)
{
    struct bpi_json json;
    struct description d = { .tensor = { .name = string_at(st, st->tensors[i].at, &json) } };
    (void)bpi_json_punctuation(&json, ':'); /* these were found right before */
    (void)read_description(&json, &d);
    d.tensor.bytes = st->n_data > 0 ? st->data + d.begin : NULL;
    return d.tensor;
}

bool bpi_safetensors_find(const struct bpi_safetensors *st, const char *name, struct bpi_tensor *tensor)
{
    size_t low = 0, high = st->n_tensors;
    while (low < high) {
        const size_t middle = low + (high - low) / 2;
        const struct bpi_json_string found = open_string(st, st->tensors[middle].at);
        const int order = bpi_json_compare_text(&found, name);
        if (order == 0) {
            st->tensors[middle].is_used = 1;
            *tensor = bpi_safetensors_tensor(st, middle);
            return true;
        }
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return false;
}

static void entry_at(const struct bpi_safetensors *st, uint32_t at, struct bpi_json_string *key,
                     struct bpi_json_string *value)
{
    struct bpi_json json;
    *key = string_at(st, at, &json);
    (void)bpi_json_punctuation(&json, ':'); /* these were found right before */
    (void)bpi_json_string(&json, value);
}

void bpi_safetensors_entry(const struct bpi_safetensors *st, size_t i, struct bpi_json_string *key,
                           struct bpi_json_string *value)
{
    entry_at(st, st->entries[i], key, value);
}

bool bpi_safetensors_value(const struct bpi_safetensors *st, const char *key, struct bpi_json_string *value)
{
    size_t low = 0, high = st->n_metadata;
    while (low < high) {
        const size_t middle = low + (high - low) / 2;
        struct bpi_json_string found = open_string(st, st->sorted[middle].at);
        const int order = bpi_json_compare_text(&found, key);
        if (order == 0) {
            entry_at(st, st->sorted[middle].at, &found, value);
            st->sorted[middle].is_used = 1;
            return true;
        }
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return false;
}

static bool is_among(const struct bpi_json_string *name, const char *prefix, const char *others)
{
    return bpi_json_begins(name, prefix) && (others == NULL || !bpi_json_begins(name, others));
}

bp_status bpi_safetensors_check_used(const struct bpi_safetensors *st, const char *prefix, const char *others,
                                     const char *key_prefix, const char *other_keys)
{
    struct bpi_json behind;
    for (size_t i = 0; key_prefix != NULL && i < st->n_metadata; i++) {
        const struct bpi_json_string key = string_at(st, st->sorted[i].at, &behind);
        if (st->sorted[i].is_used == 0 && is_among(&key, key_prefix, other_keys))
            return bpi_fail(BP_ERR_FORMAT, "%s: there is an entry %s that has no place here", st->name,
                            bpi_quote(key.raw, key.n).text);
    }
    for (size_t i = 0; i < st->n_tensors; i++) {
        const struct bpi_json_string name = string_at(st, st->tensors[i].at, &behind);
        if (st->tensors[i].is_used == 0 && is_among(&name, prefix, others))
            return bpi_fail(BP_ERR_FORMAT, "%s: there is a tensor %s that is none of the network's", st->name,
                            bpi_quote(name.raw, name.n).text);
    }
    return BP_OK;
}

/* ---- Elements -------------------------------------------------------------------------------------------------------- */

static uint64_t little_endian(const unsigned char *bytes, size_t n)
{
    uint64_t bits = 0;
    for (size_t i = 0; i < n; i++)
        bits |= (uint64_t)bytes[i] << 8 * i;
    return bits;
}

static double from_f64(const unsigned char *bytes)
{
    const uint64_t bits = little_endian(bytes, 8);
    double value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

static double from_f32(const unsigned char *bytes)
{
    const uint32_t bits = (uint32_t)little_endian(bytes, 4);
    float value;
    memcpy(&value, &bits, sizeof value);
    return (double)value;
}

/* The upper half of a binary32. */
static double from_bf16(const unsigned char *bytes)
{
    const unsigned char wide[4] = { 0, 0, bytes[0], bytes[1] };
    return from_f32(wide);
}

/* IEEE 754 binary16: 5 bits of exponent with bias 15, 10 of the fraction. */
static double from_f16(const unsigned char *bytes)
{
    const unsigned bits = (unsigned)little_endian(bytes, 2);
    const unsigned exponent = bits >> 10 & 31, fraction = bits & 1023;
    double value;
    if (exponent == 31)
        value = fraction != 0 ? (double)NAN : (double)INFINITY;
    else if (exponent == 0)
        value = ldexp((double)fraction, -24);
    else
        value = ldexp((double)(fraction + 1024), (int)exponent - 25);
    return (bits & 0x8000) != 0 ? -value : value;
}

static const struct {
    double (*read)(const unsigned char *bytes);
    size_t size;
} readers[] = {
    [BPI_F64] = { from_f64, 8 }, [BPI_F32] = { from_f32, 4 }, [BPI_F16] = { from_f16, 2 }, [BPI_BF16] = { from_bf16, 2 }
};

bool bpi_dtype_is_real(enum bpi_dtype dtype)
{
    return dtype <= BPI_BF16;
}

void bpi_tensor_to_reals(const struct bpi_tensor *tensor, bp_real *values)
{
    const size_t size = readers[tensor->dtype].size;
    for (size_t i = 0; i < tensor->n; i++)
        values[i] = (bp_real)readers[tensor->dtype].read(tensor->bytes + i * size);
}

void bpi_tensor_to_u64(const struct bpi_tensor *tensor, uint64_t *values)
{
    for (size_t i = 0; i < tensor->n; i++)
        values[i] = little_endian(tensor->bytes + i * 8, 8);
}
