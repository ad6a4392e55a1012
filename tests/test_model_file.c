// SPDX-License-Identifier: MIT
/*
 * Model files: every kind of network comes back to the bit, every damaged file is refused, and nothing that fails leaves traces.
 */
// NOLINTNEXTLINE(bugprone-reserved-identifier,cert-dcl37-c,cert-dcl51-cpp): POSIX's own way to ask for it
#define _POSIX_C_SOURCE 200809L /* mkfifo */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <locale.h>
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "backprop.h"
#include "store/writer.h"
#include "support/bytes.h"
#include "support/heap.h"
#include "support/locale.h"
#include "support/refusal.h"

/* ---- Networks -------------------------------------------------------------------------------------------------------- */

static void cube_apply(size_t rows, size_t n, bp_real parameter, void *user, const bp_real *Z, bp_real *A)
{
    (void)user;
    for (size_t i = 0; i < rows * n; i++)
        A[i] = parameter * Z[i] * Z[i] * Z[i];
}

static void cube_pull_back(size_t rows, size_t n, bp_real parameter, void *user, const bp_real *Z, const bp_real *A,
                           const bp_real *dA, bp_real *dZ)
{
    (void)user, (void)A;
    for (size_t i = 0; i < rows * n; i++)
        dZ[i] = dA[i] * 3 * parameter * Z[i] * Z[i];
}

static const bp_activation_function cube = { .name = "cube \"\xC2\xB3\"",
                                             .apply = cube_apply,
                                             .pull_back = cube_pull_back };
static const bp_activation_function other = { .name = "cube", .apply = cube_apply, .pull_back = cube_pull_back };
static const bp_activation_function *const customs[] = { &other, &cube };
static const bp_load_config with_customs = { .custom = customs, .n_custom = 2 };

/* Numbers of all magnitudes in every array, and what a network need not have. */
static void fill_network(bp_network *net, uint64_t seed)
{
    bp_rng rng;
    bp_rng_init(&rng, seed);
    for (size_t i = 0; i < net->parameters.n_params; i++)
        net->parameters.params[i] = (bp_real)bp_rng_normal(&rng);
    for (size_t i = 0; i < net->n_state; i++)
        net->state[i] = (bp_real)(bp_rng_uniform(&rng) + 0.1);
    net->parameters.params[0] = -(bp_real)0;
    if (net->parameters.n_params > 3) {
        net->parameters.params[1] = BP_REAL_MAX;
        net->parameters.params[2] = BP_REAL_MIN / 4; /* subnormal */
        net->parameters.params[3] = -(bp_real)0.1;
    }
}

static void dress_network(bp_network *net, uint64_t seed)
{
    enum { MOST = 8 };
    static const char *const names[MOST] = { "",
                                             "a",
                                             "a",
                                             "two\nlines",
                                             "back\\slash",
                                             "\"quoted\"\t\x01",
                                             "\xC5\xBC\xC3\xB3\xC5\x82\xC4\x87",
                                             "\xF0\x9F\x98\x80" };
    bp_real center[MOST], scale[MOST];
    bp_rng rng;
    bp_rng_init(&rng, seed);
    assert_true(net->n_in <= MOST && net->n_class_names <= MOST);
    for (size_t i = 0; i < MOST; i++) {
        center[i] = (bp_real)bp_rng_normal(&rng);
        scale[i] = (bp_real)(bp_rng_uniform(&rng) + 1e-3);
    }
    const bp_activation last = net->layers[net->n_layers - 1].activation;
    const bool scales_outputs = last != BP_SIGMOID && last != BP_SOFTMAX;
    assert_int_equal(
        bp_network_set_scaling(net, center, scale, scales_outputs ? center : NULL, scales_outputs ? scale : NULL), BP_OK);
    assert_int_equal(bp_network_set_input_names(net, names + MOST - net->n_in), BP_OK);
    assert_int_equal(bp_network_set_class_names(net, names), BP_OK);
    assert_int_equal(bp_network_set_metadata(net, "format", "pt"), BP_OK);
    assert_int_equal(bp_network_set_metadata(net, "a note \xE2\x82\xAC", "with \"quotes\", \\ and \n a line"), BP_OK);
    assert_int_equal(bp_network_set_metadata(net, "empty", ""), BP_OK);
}

/* Three layers: of two activations, a normalization, dropout, a bias or none, a frozen one; the last is `last`. */
static void make_network(bp_network *net, bp_activation f, bp_activation last, bp_normalization normalization, bool special,
                         const bp_allocator *allocator)
{
    const bool is_custom = f == BP_CUSTOM_ACTIVATION;
    const bp_layer_config layers[] = {
        { .n_out = 5,
          .activation = f,
          .parameter = is_custom ? (bp_real)0.3 : (bp_real)0,
          .custom = is_custom ? &cube : NULL,
          .normalization = normalization,
          .dropout = special ? (bp_real)0.125 : (bp_real)0,
          .no_bias = special },
        { .n_out = 4, .activation = BP_LEAKY_RELU, .parameter = (bp_real)0.0625, .frozen = special },
        { .n_out = 3,
          .activation = last,
          .normalization = normalization,
          .epsilon = normalization != BP_NO_NORMALIZATION ? (bp_real)1e-3 : (bp_real)0,
          .running_rate = normalization == BP_BATCH_NORMALIZATION ? (bp_real)0.01 : (bp_real)0 },
    };
    const bp_network_config config = { .n_in = 2, .n_layers = 3, .layers = layers, .seed = 3, .allocator = allocator };
    assert_int_equal(bp_network_init(net, &config), BP_OK);
    fill_network(net, 7 + (uint64_t)f);
    if (special)
        dress_network(net, 11);
}

static void assert_same_text(const char *a, const char *b)
{
    assert_int_equal(a == NULL, b == NULL);
    if (a != NULL)
        assert_string_equal(a, b);
}

static void assert_same_names(char *const *a, char *const *b, size_t n)
{
    assert_int_equal(a == NULL, b == NULL);
    for (size_t i = 0; a != NULL && i < n; i++)
        assert_string_equal(a[i], b[i]);
}

static void assert_same_layers(const bp_network *a, const bp_network *b)
{
    for (size_t l = 0; l < a->n_layers; l++) {
        const bp_layer *x = &a->layers[l], *y = &b->layers[l];
        assert_int_equal(x->n_in, y->n_in);
        assert_int_equal(x->n_out, y->n_out);
        assert_int_equal(x->activation, y->activation);
        assert_ptr_equal(x->custom, y->custom);
        assert_true(x->parameter == y->parameter);
        assert_int_equal(x->no_bias, y->no_bias);
        assert_int_equal(x->frozen, y->frozen);
        assert_int_equal(x->normalization, y->normalization);
        assert_true(x->epsilon == y->epsilon && x->running_rate == y->running_rate && x->dropout == y->dropout);
    }
}

static void assert_same_network(const bp_network *a, const bp_network *b)
{
    assert_int_equal(a->n_in, b->n_in);
    assert_int_equal(a->n_layers, b->n_layers);
    assert_int_equal(a->topology, b->topology);
    assert_same_layers(a, b);
    assert_memory_equal(a->parameters.params, b->parameters.params, a->parameters.n_params * sizeof(bp_real));
    if (a->n_state > 0)
        assert_memory_equal(a->state, b->state, a->n_state * sizeof(bp_real));
    assert_int_equal(a->scales_inputs, b->scales_inputs);
    assert_int_equal(a->scales_outputs, b->scales_outputs);
    assert_memory_equal(a->in_center, b->in_center, a->n_in * sizeof(bp_real));
    assert_memory_equal(a->in_scale, b->in_scale, a->n_in * sizeof(bp_real));
    assert_memory_equal(a->out_center, b->out_center, a->n_out * sizeof(bp_real));
    assert_memory_equal(a->out_scale, b->out_scale, a->n_out * sizeof(bp_real));
    assert_same_names(a->input_names, b->input_names, a->n_in);
    assert_same_names(a->class_names, b->class_names, a->n_class_names);
    assert_int_equal(a->n_metadata, b->n_metadata);
    for (size_t i = 0; i < a->n_metadata; i++) {
        assert_same_text(a->metadata[i].key, b->metadata[i].key);
        assert_same_text(a->metadata[i].value, b->metadata[i].value);
    }
}

static void assert_same_predictions(const bp_network *a, const bp_network *b)
{
    enum { ROWS = 7 };
    bp_real X[ROWS * 2], Y_a[ROWS * 3], Y_b[ROWS * 3];
    bp_workspace ws_a, ws_b;
    for (size_t i = 0; i < ROWS * 2; i++)
        X[i] = (bp_real)0.37 * (bp_real)i - 2;
    assert_int_equal(bp_workspace_init(&ws_a, a, ROWS, BP_INFERENCE), BP_OK);
    assert_int_equal(bp_workspace_init(&ws_b, b, ROWS, BP_INFERENCE), BP_OK);
    assert_int_equal(bp_predict(a, &ws_a, X, ROWS, Y_a), BP_OK);
    assert_int_equal(bp_predict(b, &ws_b, X, ROWS, Y_b), BP_OK);
    assert_memory_equal(Y_a, Y_b, sizeof Y_a);
    bp_workspace_free(&ws_a);
    bp_workspace_free(&ws_b);
}

static void assert_round_trip(const bp_network *net)
{
    bp_network loaded;
    bp_bytes first, second;
    assert_int_equal(bp_network_save_memory(net, &first), BP_OK);
    assert_int_equal(bp_network_load_memory(&loaded, first.data, first.size, &with_customs), BP_OK);
    assert_same_network(net, &loaded);
    assert_same_predictions(net, &loaded);
    assert_int_equal(bp_network_save_memory(&loaded, &second), BP_OK);
    assert_int_equal(first.size, second.size);
    assert_memory_equal(first.data, second.data, first.size);
    bp_bytes_free(&first);
    bp_bytes_free(&second);
    bp_network_free(&loaded);
}

static void every_kind_of_network_comes_back_to_the_bit(void **state)
{
    (void)state;
    for (int f = 0; f < BP_N_ACTIVATIONS; f++)
        for (int normalization = 0; normalization < BP_N_NORMALIZATIONS; normalization++)
            for (int special = 0; special < 2; special++) {
                static const bp_activation lasts[] = { BP_IDENTITY, BP_SOFTMAX, BP_SIGMOID };
                bp_network net;
                const bp_activation first = f == BP_SOFTMAX ? BP_IDENTITY : (bp_activation)f; /* not for hidden layers */
                make_network(&net, first, lasts[(f + special) % 3], (bp_normalization)normalization, special != 0, NULL);
                assert_round_trip(&net);
                bp_network_free(&net);
            }
}

static void a_network_comes_back_through_a_path_over_an_older_file(void **state)
{
    (void)state;
    bp_network net, loaded;
    const char *path = test_file("what was there before", 21);
    make_network(&net, BP_TANH, BP_SOFTMAX, BP_BATCH_NORMALIZATION, true, NULL);
    assert_int_equal(bp_network_save(&net, path), BP_OK);
    assert_int_equal(bp_network_load(&loaded, path, NULL), BP_OK);
    assert_same_network(&net, &loaded);
    bp_network_free(&loaded);
    bp_network_free(&net);
    assert_int_equal(remove(path), 0);
}

/* A float is exact in a double, and a double that is a float is exact in a float: 0.5 and -3 are both. */
static void both_precisions_read_each_others_files(void **state)
{
    (void)state;
    bp_network net;
    static const char *const texts[2] = { "F64", "F32" };
    for (int single = 0; single < 2; single++) {
        static const float f32[3] = { 0.5F, -3.0F, 0.1F };
        static const double f64[3] = { 0.5, -3.0, 0.1 };
        struct test_bytes file = { 0 };
        char header[1024];
        const size_t size = single ? 4 : 8;
        const int n =
            snprintf(header, sizeof header,
                     "{\"__metadata__\":{\"bp.format\":\"1\",\"bp.version\":\"0\",\"bp.kind\":\"model\",\"bp.n_in\":\"2\","
                     "\"bp.n_layers\":\"1\","
                     "\"bp.layer.0\":\"n_out=1 activation=identity parameter=0 bias=1 normalization=none epsilon=0 "
                     "running_rate=0 dropout=0 frozen=0\",\"bp.crc32\":\"00000000\"},"
                     "\"0.weight\":{\"dtype\":\"%s\",\"shape\":[1,2],\"data_offsets\":[0,%zu]},"
                     "\"0.bias\":{\"dtype\":\"%s\",\"shape\":[1],\"data_offsets\":[%zu,%zu]}}",
                     texts[single], 2 * size, texts[single], 2 * size, 3 * size);
        unsigned char length[8] = { (unsigned char)(n & 255), (unsigned char)(n >> 8) };
        test_bytes_append(&file, length, 8);
        test_bytes_append(&file, header, (size_t)n);
        test_bytes_append(&file, single ? (const void *)f32 : (const void *)f64, 3 * size);
        char digits[9];
        (void)snprintf(digits, sizeof digits, "%08lx", (unsigned long)bpi_crc32(0, file.data, file.n));
        memcpy(strstr((char *)file.data + 8, "00000000"), digits, 8);
        assert_int_equal(bp_network_load_memory(&net, file.data, file.n, NULL), BP_OK);
        assert_true(net.layers[0].W[0] == (bp_real)0.5 && net.layers[0].W[1] == (bp_real)-3);
        assert_true(net.layers[0].b[0] == (single ? (bp_real)0.1F : (bp_real)0.1));
        bp_network_free(&net);
        test_bytes_clear(&file);
    }
}

static void the_same_bytes_are_written_under_a_locale_with_a_decimal_comma(void **state)
{
    (void)state;
    bp_network net, loaded;
    bp_bytes plain, comma;
    make_network(&net, BP_ELU, BP_IDENTITY, BP_BATCH_NORMALIZATION, true, NULL);
    assert_int_equal(bp_network_save_memory(&net, &plain), BP_OK);
    if (!test_set_comma_locale())
        skip();
    assert_int_equal(bp_network_save_memory(&net, &comma), BP_OK);
    assert_int_equal(bp_network_load_memory(&loaded, plain.data, plain.size, NULL), BP_OK);
    (void)setlocale(LC_ALL, "C");
    assert_int_equal(plain.size, comma.size);
    assert_memory_equal(plain.data, comma.data, plain.size);
    assert_same_network(&net, &loaded);
    bp_bytes_free(&plain);
    bp_bytes_free(&comma);
    bp_network_free(&loaded);
    bp_network_free(&net);
}

/* Under slow checkers only every 13th damage is done. */
static size_t stride(void)
{
    return getenv("TEST_QUICK") != NULL ? 13 : 1;
}

/* ---- Damage ---------------------------------------------------------------------------------------------------------- */

/* What all damaged files have in common: the network they were, and how many there were of them. */
struct damage {
    bp_bytes file;
    size_t result; /* bytes of the undamaged network */
    size_t n_tried, n_accepted;
};

static void damage_begin(struct damage *damage)
{
    struct test_heap heap;
    bp_network net, loaded;
    make_network(&net, BP_TANH, BP_IDENTITY, BP_BATCH_NORMALIZATION, true, NULL);
    assert_int_equal(bp_network_save_memory(&net, &damage->file), BP_OK);
    test_heap_init(&heap);
    const bp_load_config config = { .allocator = &heap.allocator };
    assert_int_equal(bp_network_load_memory(&loaded, damage->file.data, damage->file.size, &config), BP_OK);
    damage->result = heap.live_bytes;
    damage->n_tried = damage->n_accepted = 0;
    bp_network_free(&loaded);
    bp_network_free(&net);
}

/* A file that is accepted in spite of all makes a network that can be used, and saved as it is. */
static void assert_usable(bp_network *net)
{
    bp_bytes bytes;
    bp_workspace ws;
    bp_real *X = calloc(net->n_in, sizeof *X), *Y = calloc(net->n_out, sizeof *Y);
    assert_true(X != NULL && Y != NULL);
    assert_int_equal(bp_workspace_init(&ws, net, 1, BP_INFERENCE), BP_OK);
    assert_int_equal(bp_predict(net, &ws, X, 1, Y), BP_OK);
    assert_int_equal(bp_network_save_memory(net, &bytes), BP_OK);
    bp_bytes_free(&bytes);
    bp_workspace_free(&ws);
    free(X);
    free(Y);
}

/* Loads n bytes from a block of just that size; memory must stay within what file and result justify. */
static void try_bytes(struct damage *damage, const unsigned char *bytes, size_t n)
{
    struct test_heap heap;
    bp_network net;
    unsigned char *copy = test_bytes_copy(bytes, n);
    test_heap_init(&heap);
    const bp_load_config config = { .allocator = &heap.allocator };
    const bp_status status = bp_network_load_memory(&net, copy, n, &config);
    free(copy);
    damage->n_tried++;
    if (heap.peak_bytes > n + 2 * damage->result + 65536)
        fail_msg("%zu bytes were taken for a file of %zu bytes and a network of %zu", heap.peak_bytes, n, damage->result);
    if (status == BP_OK) {
        damage->n_accepted++;
        assert_usable(&net);
    } else {
        assert_true(strlen(bp_error_message()) > 10);
        assert_null(net.block);
    }
    bp_network_free(&net);
    assert_true(test_heap_is_clean(&heap));
}

/* The checksum is made right again, so that all else has to be seen by the reader. */
static void mend(unsigned char *bytes, size_t n)
{
    static const char key[] = "\"bp.crc32\":\"";
    const size_t n_key = sizeof key - 1;
    for (size_t i = 8; i + n_key + 8 <= n; i++) {
        if (memcmp(bytes + i, key, n_key) == 0) {
            char digits[9];
            memcpy(bytes + i + n_key, "00000000", 8);
            (void)snprintf(digits, sizeof digits, "%08lx", (unsigned long)bpi_crc32(0, bytes, n));
            memcpy(bytes + i + n_key, digits, 8);
            return;
        }
    }
}

static void a_file_cut_anywhere_is_refused(void **state)
{
    (void)state;
    struct damage damage;
    damage_begin(&damage);
    unsigned char *copy = test_bytes_copy(damage.file.data, damage.file.size);
    for (size_t n = 0; n < damage.file.size; n += stride()) {
        try_bytes(&damage, damage.file.data, n);
        memcpy(copy, damage.file.data, n);
        mend(copy, n);
        try_bytes(&damage, copy, n);
    }
    assert_int_equal(damage.n_accepted, 0);
    free(copy);
    bp_bytes_free(&damage.file);
}

static void a_file_with_more_behind_it_is_refused(void **state)
{
    (void)state;
    struct damage damage;
    damage_begin(&damage);
    const size_t n = damage.file.size;
    unsigned char *copy = calloc(n + 100, 1);
    assert_non_null(copy);
    for (size_t more = 1; more <= 100; more++) {
        memcpy(copy, damage.file.data, n);
        try_bytes(&damage, copy, n + more);
        mend(copy, n + more);
        try_bytes(&damage, copy, n + more);
    }
    assert_int_equal(damage.n_accepted, 0);
    free(copy);
    bp_bytes_free(&damage.file);
}

static void every_flipped_bit_is_seen_by_the_checksum(void **state)
{
    (void)state;
    struct damage damage;
    damage_begin(&damage);
    unsigned char *bytes = damage.file.data;
    for (size_t bit = 0; bit < 8 * damage.file.size; bit += stride()) {
        bytes[bit / 8] ^= (unsigned char)(1u << bit % 8);
        try_bytes(&damage, bytes, damage.file.size);
        bytes[bit / 8] ^= (unsigned char)(1u << bit % 8);
    }
    assert_int_equal(damage.n_accepted, 0);
    assert_true(damage.n_tried > 10000 / stride());
    bp_bytes_free(&damage.file);
}

static void every_flipped_bit_under_a_right_checksum_is_refused_or_makes_another_network(void **state)
{
    (void)state;
    struct damage damage;
    damage_begin(&damage);
    unsigned char *copy = test_bytes_copy(damage.file.data, damage.file.size);
    for (size_t bit = 0; bit < 8 * damage.file.size; bit += stride()) {
        memcpy(copy, damage.file.data, damage.file.size);
        copy[bit / 8] ^= (unsigned char)(1u << bit % 8);
        mend(copy, damage.file.size);
        try_bytes(&damage, copy, damage.file.size);
    }
    assert_true(damage.n_accepted > 0 && damage.n_accepted < damage.n_tried); /* other weights are weights */
    free(copy);
    bp_bytes_free(&damage.file);
}

/* The file with header[from .. to) replaced by `text`, its length and checksum right. To be freed; *n its size. */
static unsigned char *replace(const bp_bytes *file, size_t from, size_t to, const char *text, size_t *n)
{
    const unsigned char *bytes = file->data;
    const size_t n_text = strlen(text), n_header = (size_t)bytes[0] | (size_t)bytes[1] << 8;
    *n = file->size - (to - from) + n_text;
    unsigned char *copy = malloc(*n);
    assert_non_null(copy);
    const size_t length = n_header - (to - from) + n_text;
    memcpy(copy, bytes, 8 + from);
    for (size_t i = 0; i < 8; i++)
        copy[i] = (unsigned char)(length >> 8 * i);
    memcpy(copy + 8 + from, text, n_text);
    memcpy(copy + 8 + from + n_text, bytes + 8 + to, file->size - 8 - to);
    mend(copy, *n);
    return copy;
}

static bool is_digit(unsigned char c)
{
    return c >= '0' && c <= '9';
}

static void boundary_values_at_every_number_of_the_header_are_refused_or_mean_something(void **state)
{
    (void)state;
    static const char *const values[] = { "",
                                          "0",
                                          "1",
                                          "2",
                                          "3",
                                          "4",
                                          "5",
                                          "007",
                                          "-1",
                                          "+1",
                                          " 1",
                                          "1 ",
                                          "1.0",
                                          "1e0",
                                          "0x1",
                                          "2147483647",
                                          "2147483648",
                                          "4294967295",
                                          "4294967296",
                                          "9007199254740993",
                                          "9223372036854775807",
                                          "9223372036854775808",
                                          "18446744073709551615",
                                          "18446744073709551616",
                                          "99999999999999999999999999",
                                          "1e999",
                                          "nan",
                                          "inf",
                                          "null",
                                          "[1]",
                                          "\\u0031" };
    struct damage damage;
    damage_begin(&damage);
    const unsigned char *header = (const unsigned char *)damage.file.data + 8;
    const size_t n_header = (size_t)header[-8] | (size_t)header[-7] << 8;
    for (size_t from = 0; from < n_header; from++) {
        size_t to = from;
        while (to < n_header && is_digit(header[to]))
            to++;
        for (size_t i = from % stride(); to > from && i < sizeof values / sizeof values[0]; i += stride()) {
            size_t n;
            unsigned char *copy = replace(&damage.file, from, to, values[i], &n);
            try_bytes(&damage, copy, n);
            free(copy);
        }
        from = to;
    }
    assert_true(damage.n_tried > 3000 / stride() && damage.n_accepted < damage.n_tried / 4);
    bp_bytes_free(&damage.file);
}

/* Byte after byte, at places drawn at random, under a right checksum. */
static void random_damage_is_refused_or_makes_another_network(void **state)
{
    (void)state;
    struct damage damage;
    uint64_t seed = 12345;
    damage_begin(&damage);
    for (size_t i = 0; i < 10000; i += stride()) {
        struct test_bytes bytes = { 0 };
        test_bytes_append(&bytes, damage.file.data, damage.file.size);
        test_bytes_mutate(&bytes, &seed, "{}[]\":,.0123456789 abp\\u");
        mend(bytes.data, bytes.n);
        try_bytes(&damage, bytes.data, bytes.n);
        test_bytes_clear(&bytes);
    }
    bp_bytes_free(&damage.file);
}

/* ---- Refusals -------------------------------------------------------------------------------------------------------- */

/* The first place of `old` in the header becomes `new_text`; what is then said. */
static void assert_change_refused(const char *old, const char *new_text, bp_status status, const char *sentence)
{
    bp_network net, loaded;
    bp_bytes file;
    make_network(&net, BP_CUSTOM_ACTIVATION, BP_IDENTITY, BP_BATCH_NORMALIZATION, true, NULL);
    assert_int_equal(bp_network_save_memory(&net, &file), BP_OK);
    const char *header = (const char *)file.data + 8;
    const char *found = strstr(header, old);
    assert_non_null(found);
    size_t n;
    unsigned char *copy = replace(&file, (size_t)(found - header), (size_t)(found - header) + strlen(old), new_text, &n);
    assert_refused(bp_network_load_memory(&loaded, copy, n, &with_customs), status, "memory: ", sentence);
    assert_null(loaded.block);
    free(copy);
    bp_bytes_free(&file);
    bp_network_free(&net);
}

static void what_a_file_cannot_say_is_refused_with_the_reason(void **state)
{
    (void)state;
    static const struct {
        const char *old, *new_text;
        bp_status status;
        const char *sentence;
    } cases[] = {
        { "\"bp.format\":\"1\"", "\"bp.format\":\"2\"", BP_ERR_UNSUPPORTED,
          "its format is version 2, this library reads version 1" },
        { "\"bp.format\":\"1\",", "", BP_ERR_UNSUPPORTED, "safetensors file without bp.format" },
        { "\"bp.kind\":\"model\"", "\"bp.kind\":\"modal\"", BP_ERR_FORMAT,
          "bp.kind: expected model or checkpoint, found 'modal'" },
        { "\"bp.n_in\":\"2\"", "\"bp.n_in\":\"3\"", BP_ERR_FORMAT, "tensor '0.weight' is 5x2: expected 5x3" },
        { "\"bp.n_layers\":\"3\"", "\"bp.n_layers\":\"4\"", BP_ERR_FORMAT,
          "bp.layer.3: expected a text, found no such entry" },
        { "\"bp.n_layers\":\"3\"", "\"bp.n_layers\":\"2\"", BP_ERR_FORMAT, "bp.out_center: expected 4 finite numbers" },
        { "\"bp.n_layers\":\"3\"", "\"bp.n_layers\":\"0\"", BP_ERR_FORMAT, "n_layers is 0" },
        { "\"bp.n_layers\":\"3\"", "\"bp.n_layers\":\"9999\"", BP_ERR_FORMAT, "9999 layers, but only" },
        { "n_out=5", "n_out=6", BP_ERR_FORMAT, "tensor '0.weight' is 5x2: expected 6x2" },
        { "n_out=5", "width=5", BP_ERR_FORMAT, "bp.layer.0: expected n_out=, found 'width=5" },
        { "activation=custom", "activation=swoosh", BP_ERR_FORMAT, "a name that this version knows" },
        { "activation=leaky_relu parameter=0.0625", "activation=leaky_relu parameter=0", BP_ERR_FORMAT,
          "is 0 where it cannot be" },
        { "activation=leaky_relu", "activation=tanh", BP_ERR_FORMAT, "layer 1: tanh takes no parameter" },
        { "bias=0", "bias=2", BP_ERR_FORMAT, "bp.layer.0: expected a whole number in its range" },
        { "bias=0", "bias=1", BP_ERR_FORMAT, "expected a tensor '0.bias' of 5, found none" },
        { "normalization=batch", "normalization=layer", BP_ERR_FORMAT, "layer 0: running_rate" },
        { "dropout=0.125", "dropout=1", BP_ERR_FORMAT, "layer 0: dropout is 1" },
        { "dropout=0.125 frozen=0\"", "dropout=0.125 frozen=0 \"", BP_ERR_FORMAT, "expected nothing more" },
        { "dropout=0.125", "dropout=zero", BP_ERR_FORMAT, "expected a number" },
        { "\"bp.layer.0.custom\":\"cube \\\"\xC2\xB3\\\"\"", "\"bp.layer.0.custom\":\"what\"", BP_ERR_UNSUPPORTED,
          "layer 0 has the custom activation 'what', which the caller did not hand over" },
        { "\"bp.layer.0.custom\"", "\"x\"", BP_ERR_FORMAT, "bp.layer.0.custom: expected the name of a custom activation" },
        { "\"bp.in_center\"", "\"in_center\"", BP_ERR_FORMAT, "bp.in_center: expected 2 finite numbers" },
        { "\"bp.out_scale\":\"", "\"bp.out_scale\":\"-", BP_ERR_FORMAT, "above 0" },
        { "\"bp.input_names\":\"", "\"bp.input_names\":\"one more\\n", BP_ERR_FORMAT, "bp.input_names: expected 2 names" },
        { "\"bp.input_names\":\"", "\"bp.input_names\":\"\\\\x", BP_ERR_FORMAT, "bp.input_names: expected 2 names" },
        { "\"empty\"", "\"\"", BP_ERR_FORMAT, "an entry without a key" },
        { "\"empty\"", "\"bp.empty\"", BP_ERR_FORMAT, "there is an entry 'bp.empty' that has no place here" },
        { "\"empty\"", "\"format\"", BP_ERR_FORMAT, "two entries of __metadata__ have the name 'format'" },
        { "\"0.weight\"", "\"1.bias\"", BP_ERR_FORMAT, "two tensors have the name '1.bias'" },
        { "\"F", "\"X", BP_ERR_FORMAT, "a type of elements" },
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        assert_change_refused(cases[i].old, cases[i].new_text, cases[i].status, cases[i].sentence);
}

static void an_extra_tensor_is_refused(void **state)
{
    (void)state;
    assert_change_refused(
        "\"0.weight\":", "\"extra\":{\"dtype\":\"U8\",\"shape\":[0],\"data_offsets\":[0,0]},\"0.weight\":", BP_ERR_FORMAT,
        "tensor 'extra' that is none of the network's");
    assert_change_refused(
        "\"0.weight\":", "\"train.extra\":{\"dtype\":\"U8\",\"shape\":[0],\"data_offsets\":[0,0]},\"0.weight\":",
        BP_ERR_FORMAT, "tensor 'train.extra' that is none of the network's");
}

/* What a network holds that no file could give back is not written. */
static void numbers_that_are_not_finite_are_neither_written_nor_read(void **state)
{
    (void)state;
    bp_network net, loaded;
    bp_bytes bytes;
    make_network(&net, BP_RELU, BP_IDENTITY, BP_BATCH_NORMALIZATION, false, NULL);
    net.layers[1].b[2] = (bp_real)NAN;
    assert_refused(bp_network_save_memory(&net, &bytes), BP_ERR_NONFINITE, "layer 1", "bias");
    assert_null(bytes.data);
    net.layers[1].b[2] = 0;
    net.layers[2].running_var[0] = (bp_real)INFINITY;
    assert_refused(bp_network_save_memory(&net, &bytes), BP_ERR_NONFINITE, "layer 2", "normalization's running_var");
    net.layers[2].running_var[0] = -1; /* finite, but no variance */
    assert_refused(bp_network_save_memory(&net, &bytes), BP_ERR_NONFINITE, "layer 2", "running_var is a negative variance");

    net.layers[2].running_var[0] = 1;
    assert_int_equal(bp_network_save_memory(&net, &bytes), BP_OK);
    const bp_real infinity = (bp_real)INFINITY;
    memcpy((char *)bytes.data + bytes.size - sizeof infinity, &infinity, sizeof infinity); /* the last one: a running_var */
    mend(bytes.data, bytes.size);
    assert_refused(bp_network_load_memory(&loaded, bytes.data, bytes.size, NULL), BP_ERR_NONFINITE, "running_var",
                   "not finite");
    bp_bytes_free(&bytes);
    bp_network_free(&net);
}

static void wrong_arguments_are_refused(void **state)
{
    (void)state;
    bp_network net, none = { 0 };
    bp_bytes bytes;
    const bp_activation_function *const nobody[] = { NULL };
    make_network(&net, BP_RELU, BP_IDENTITY, BP_NO_NORMALIZATION, false, NULL);
    assert_refused(bp_network_save(NULL, "x"), BP_ERR_ARGUMENT, "net is NULL");
    assert_refused(bp_network_save(&none, "x"), BP_ERR_STATE, "has no layers");
    assert_refused(bp_network_save(&net, NULL), BP_ERR_ARGUMENT, "path is NULL");
    assert_refused(bp_network_save(&net, "no/such/folder/x"), BP_ERR_IO, "no/such/folder/x");
    assert_refused(bp_network_save_memory(&net, NULL), BP_ERR_ARGUMENT, "bytes is NULL");
    assert_refused(bp_network_save_memory(&none, &bytes), BP_ERR_STATE, "has no layers");
    assert_refused(bp_network_load(NULL, "x", NULL), BP_ERR_ARGUMENT, "net is NULL");
    assert_refused(bp_network_load(&none, NULL, NULL), BP_ERR_ARGUMENT, "path is NULL");
    assert_refused(bp_network_load(&none, "no such file", NULL), BP_ERR_IO, "no such file");
    assert_refused(bp_network_load(&none, ".", NULL), BP_ERR_IO, ".");
    assert_refused(bp_network_load_memory(NULL, "x", 1, NULL), BP_ERR_ARGUMENT, "net is NULL");
    assert_refused(bp_network_load_memory(&none, NULL, 1, NULL), BP_ERR_ARGUMENT, "bytes is NULL");
    assert_refused(bp_network_load_memory(&none, "x", 1, &(bp_load_config){ .n_custom = 1 }), BP_ERR_ARGUMENT,
                   "custom is NULL");
    assert_refused(bp_network_load_memory(&none, "x", 1, &(bp_load_config){ .n_custom = 1, .custom = nobody }),
                   BP_ERR_ARGUMENT, "custom activation 0");
    bp_bytes_free(NULL);
    bp_network_free(&net);
}

static void a_custom_name_that_is_not_utf8_is_not_written(void **state)
{
    (void)state;
    static const bp_activation_function latin1 = { .name = "caf\xE9", .apply = cube_apply, .pull_back = cube_pull_back };
    const bp_layer_config layer = { .n_out = 1, .activation = BP_CUSTOM_ACTIVATION, .custom = &latin1 };
    bp_network net;
    bp_bytes bytes;
    assert_int_equal(bp_network_init(&net, &(bp_network_config){ .n_in = 1, .n_layers = 1, .layers = &layer }), BP_OK);
    assert_refused(bp_network_save_memory(&net, &bytes), BP_ERR_ARGUMENT, "layer 0", "UTF-8");
    bp_network_free(&net);
}

static void more_metadata_than_a_reader_takes_is_not_written(void **state)
{
    (void)state;
    bp_network net;
    bp_bytes bytes;
    make_network(&net, BP_RELU, BP_IDENTITY, BP_NO_NORMALIZATION, false, NULL);
    for (int i = 0; i < 2000; i++) {
        char key[32];
        (void)snprintf(key, sizeof key, "key %d", i);
        assert_int_equal(bp_network_set_metadata(&net, key, ""), BP_OK);
    }
    assert_refused(bp_network_save_memory(&net, &bytes), BP_ERR_TOO_LARGE, "__metadata__", "at most 2000");
    bp_network_free(&net);
}

/* ---- Failures -------------------------------------------------------------------------------------------------------- */

static void every_allocation_of_saving_and_loading_may_fail(void **state)
{
    (void)state;
    struct test_heap heap;
    bp_network net, loaded;
    bp_bytes bytes = { 0 };
    size_t n_failures = 0;
    test_heap_init(&heap);
    make_network(&net, BP_CUSTOM_ACTIVATION, BP_IDENTITY, BP_BATCH_NORMALIZATION, true, &heap.allocator);
    const size_t blocks = heap.live_blocks;
    for (bp_status status = BP_ERR_MEMORY; status != BP_OK; n_failures++) {
        heap.fail_at = heap.n_allocs + n_failures + 1;
        status = bp_network_save_memory(&net, &bytes);
        assert_true(status == BP_OK || (status == BP_ERR_MEMORY && bytes.data == NULL && heap.live_blocks == blocks));
    }
    assert_true(n_failures > 20);

    const bp_load_config config = { .custom = customs, .n_custom = 2, .allocator = &heap.allocator };
    n_failures = 0;
    for (bp_status status = BP_ERR_MEMORY; status != BP_OK; n_failures++) {
        heap.fail_at = heap.n_allocs + n_failures + 1;
        status = bp_network_load_memory(&loaded, bytes.data, bytes.size, &config);
        assert_true(status == BP_OK || (status == BP_ERR_MEMORY && loaded.block == NULL && heap.live_blocks == blocks + 1));
    }
    assert_true(n_failures > 6);
    heap.fail_at = 0;
    assert_same_network(&net, &loaded);
    bp_network_free(&loaded);
    bp_bytes_free(&bytes);
    bp_network_free(&net);
    assert_true(test_heap_is_clean(&heap));
}

static void a_save_that_runs_out_of_memory_leaves_the_old_file(void **state)
{
    (void)state;
    struct test_heap heap;
    bp_network net;
    test_heap_init(&heap);
    make_network(&net, BP_RELU, BP_IDENTITY, BP_BATCH_NORMALIZATION, true, &heap.allocator);
    const char *path = test_file("old", 3);
    size_t n_failures = 0;
    for (bp_status status = BP_ERR_MEMORY; status != BP_OK; n_failures++) {
        heap.fail_at = heap.n_allocs + n_failures + 1;
        status = bp_network_save(&net, path);
        struct test_bytes content = test_file_content(path);
        assert_int_equal(content.n == 3 && memcmp(content.data, "old", 3) == 0, status != BP_OK);
        test_bytes_clear(&content);
    }
    heap.fail_at = 0;
    assert_true(n_failures > 20);
    assert_int_equal(remove(path), 0);
    bp_network_free(&net);
    assert_true(test_heap_is_clean(&heap));
}

/* ---- Versions -------------------------------------------------------------------------------------------------------- */

/* Written by version 1 of the format; the network is made anew, from integers and correctly rounded operations alone. */
static void files_of_version_1_are_read(void **state)
{
    (void)state;
    static const char *const files[] = { REFERENCE_DIR "/files/model-v1-f64.safetensors",
                                         REFERENCE_DIR "/files/model-v1-f32.safetensors" };
    bp_network net, loaded;
    make_network(&net, BP_ELU, BP_IDENTITY, BP_BATCH_NORMALIZATION, true, NULL);
    assert_int_equal(bp_network_load(&loaded, files[sizeof(bp_real) == 4], NULL), BP_OK);
    assert_same_network(&net, &loaded);
    bp_network_free(&loaded);
    bp_network_free(&net);
}

int main(int argc, char **argv)
{
    if (argc == 3 && strcmp(argv[1], "--write") == 0) { /* how the files of a version are made */
        bp_network net;
        make_network(&net, BP_ELU, BP_IDENTITY, BP_BATCH_NORMALIZATION, true, NULL);
        return bp_network_save(&net, argv[2]) == BP_OK ? EXIT_SUCCESS : EXIT_FAILURE;
    }
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_kind_of_network_comes_back_to_the_bit),
        cmocka_unit_test(a_network_comes_back_through_a_path_over_an_older_file),
        cmocka_unit_test(both_precisions_read_each_others_files),
        cmocka_unit_test(the_same_bytes_are_written_under_a_locale_with_a_decimal_comma),
        cmocka_unit_test(a_file_cut_anywhere_is_refused),
        cmocka_unit_test(a_file_with_more_behind_it_is_refused),
        cmocka_unit_test(every_flipped_bit_is_seen_by_the_checksum),
        cmocka_unit_test(every_flipped_bit_under_a_right_checksum_is_refused_or_makes_another_network),
        cmocka_unit_test(boundary_values_at_every_number_of_the_header_are_refused_or_mean_something),
        cmocka_unit_test(random_damage_is_refused_or_makes_another_network),
        cmocka_unit_test(what_a_file_cannot_say_is_refused_with_the_reason),
        cmocka_unit_test(an_extra_tensor_is_refused),
        cmocka_unit_test(numbers_that_are_not_finite_are_neither_written_nor_read),
        cmocka_unit_test(wrong_arguments_are_refused),
        cmocka_unit_test(a_custom_name_that_is_not_utf8_is_not_written),
        cmocka_unit_test(more_metadata_than_a_reader_takes_is_not_written),
        cmocka_unit_test(every_allocation_of_saving_and_loading_may_fail),
        cmocka_unit_test(a_save_that_runs_out_of_memory_leaves_the_old_file),
        cmocka_unit_test(files_of_version_1_are_read),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
