// SPDX-License-Identifier: MIT
/*
 * Plan, then place: sizes that do not wrap, arrays that are aligned and apart, one block an object. And the user's heap.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdalign.h>
#include <stdlib.h>
#include <string.h>

#include "backprop/idx.h"
#include "backprop/network.h"
#include "backprop/optimizer.h"
#include "backprop/train.h"
#include "backprop/workspace.h"
#include "base/memory.h"
#include "support/heap.h"
#include "support/refusal.h"

#define COUNT(array) (sizeof(array) / sizeof(array)[0])
#define HALF (SIZE_MAX / 2 + 1) /* its double is the first number that does not fit */

/* ---- Arithmetic of sizes ----------------------------------------------------------------------------------------- */

static void products_are_right_or_refused(void **state)
{
    (void)state;
    const struct {
        size_t a, b, product;
        bool fits;
    } cases[] = {
        { 0, 0, 0, true },
        { 0, SIZE_MAX, 0, true },
        { SIZE_MAX, 0, 0, true },
        { 6, 7, 42, true },
        { SIZE_MAX, 1, SIZE_MAX, true },
        { 1, SIZE_MAX, SIZE_MAX, true },
        { HALF - 1, 2, SIZE_MAX - 1, true },
        { HALF, 2, 0, false },
        { 2, HALF, 0, false },
        { SIZE_MAX, SIZE_MAX, 0, false },
        { SIZE_MAX / 3, 3, SIZE_MAX, true }, /* 2^32 - 1 and 2^64 - 1 are divisible by 3 */
        { SIZE_MAX / 3 + 1, 3, 0, false },
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        size_t product = 1234;
        assert_int_equal(bpi_multiply(cases[i].a, cases[i].b, &product), cases[i].fits);
        assert_true(product == cases[i].product);
    }
}

static void sums_are_right_or_refused(void **state)
{
    (void)state;
    const struct {
        size_t a, b, sum;
        bool fits;
    } cases[] = {
        { 0, 0, 0, true },
        { 40, 2, 42, true },
        { SIZE_MAX, 0, SIZE_MAX, true },
        { 0, SIZE_MAX, SIZE_MAX, true },
        { SIZE_MAX - 1, 1, SIZE_MAX, true },
        { SIZE_MAX, 1, 0, false },
        { 1, SIZE_MAX, 0, false },
        { HALF, HALF, 0, false },
        { SIZE_MAX, SIZE_MAX, 0, false },
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        size_t sum = 1234;
        assert_int_equal(bpi_add(cases[i].a, cases[i].b, &sum), cases[i].fits);
        assert_true(sum == cases[i].sum);
    }
}

/* ---- Planning ---------------------------------------------------------------------------------------------------- */

static void arrays_follow_each_other_at_aligned_offsets(void **state)
{
    (void)state;
    struct bpi_plan plan = { 0 };

    assert_int_equal(bpi_plan_array(&plan, 1, 1), 0);
    assert_int_equal(bpi_plan_array(&plan, 64, 1), 64);
    assert_int_equal(bpi_plan_array(&plan, 65, 1), 128);
    assert_int_equal(bpi_plan_array(&plan, 0, 8), 256);
    assert_int_equal(bpi_plan_matrix(&plan, 3, 5, 8), 256);
    assert_int_equal(bpi_plan_matrix(&plan, 0, SIZE_MAX, 8), 384);
    assert_int_equal(plan.size, 384);
    assert_false(plan.too_large);
}

static void assert_too_large(const struct bpi_plan *plan)
{
    struct test_heap heap;
    test_heap_init(&heap);
    void *block = &heap;

    assert_refused(bpi_plan_allocate(plan, "a thing", &heap.allocator, &block), BP_ERR_TOO_LARGE, "a thing", "overflow");
    assert_null(block);
    assert_int_equal(heap.n_allocs, 0);
}

/* Measured without a block, placed with one: at the same offsets. */
static void one_walk_measures_and_places(void **state)
{
    (void)state;
    struct bpi_plan measured = { 0 }, placed = { 0 }, offsets = { 0 };
    char *block = malloc(4096);
    assert_non_null(block);
    const size_t sizes[][2] = { { 3, 5 }, { 0, 7 }, { 7, 0 }, { 1, 1 }, { 2, 9 } };
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        const size_t rows = sizes[i][0], columns = sizes[i][1], offset = bpi_plan_matrix(&offsets, rows, columns, 8);
        void *expected = rows * columns > 0 ? bpi_place(block, offset) : NULL;
        assert_null(bpi_plan_or_place(&measured, NULL, rows, columns, 8));
        assert_ptr_equal(bpi_plan_or_place(&placed, block, rows, columns, 8), expected);
        assert_int_equal(measured.size, offsets.size);
        assert_int_equal(placed.size, offsets.size);
    }
    free(block);
}

static void sizes_that_overflow_make_the_plan_fail(void **state)
{
    (void)state;
    const struct {
        size_t rows, columns, element_size, before; /* before: bytes that the plan has already */
    } cases[] = {
        { HALF, 2, 1, 0 },                     /* rows x columns */
        { HALF / 4, 1, 8, 0 },                 /* times the size of an element */
        { SIZE_MAX - 10, 1, 1, 0 },            /* and filled up to the alignment */
        { SIZE_MAX / 4, 1, 2, HALF },          /* after what is there */
        { SIZE_MAX - 63, 1, 1, 0 },            /* it fits, but nothing is left to align the block by */
        { (size_t)PTRDIFF_MAX, 1, 1, 0 },      /* a block that pointers cannot measure */
        { (size_t)PTRDIFF_MAX - 62, 1, 1, 0 }, /* the same once there is room to align it */
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct bpi_plan plan = { .size = cases[i].before };
        (void)bpi_plan_matrix(&plan, cases[i].rows, cases[i].columns, cases[i].element_size);
        assert_too_large(&plan);
    }
}

static void plan_that_failed_stays_failed(void **state)
{
    (void)state;
    struct bpi_plan plan = { 0 };
    (void)bpi_plan_array(&plan, SIZE_MAX, 8);
    (void)bpi_plan_array(&plan, 1, 8);

    assert_true(plan.too_large);
    assert_too_large(&plan);
}

/* ---- Placing ----------------------------------------------------------------------------------------------------- */

/* A heap of one block, `shift` bytes beyond a multiple of 64, full of rubbish. */
struct shifted_heap {
    alignas(64) unsigned char bytes[1024];
    size_t shift, size;
};

static void *shifted_alloc(size_t size, void *user)
{
    struct shifted_heap *heap = user;
    assert_true(heap->shift + size <= sizeof heap->bytes);
    heap->size = size;
    memset(heap->bytes, 0xab, sizeof heap->bytes);
    return heap->bytes + heap->shift;
}

static void shifted_release(void *memory, void *user)
{
    struct shifted_heap *heap = user;
    assert_ptr_equal(memory, heap->bytes + heap->shift);
}

/* Two arrays in a block that begins at heap->shift: aligned, apart, zeroed, and nothing outside is touched. */
static void check_places(struct shifted_heap *heap)
{
    const bp_allocator allocator = { shifted_alloc, shifted_release, heap };
    struct bpi_plan plan = { 0 };
    const size_t first = bpi_plan_array(&plan, 100, 1), second = bpi_plan_array(&plan, 200, 1);
    void *block;
    assert_int_equal(bpi_plan_allocate(&plan, "a thing", &allocator, &block), BP_OK);
    const unsigned char *a = bpi_place(block, first), *b = bpi_place(block, second);

    assert_int_equal((uintptr_t)a % 64, 0);
    assert_int_equal((uintptr_t)b % 64, 0);
    assert_true(a >= heap->bytes + heap->shift && a + 100 <= b);
    assert_true(b + 200 <= heap->bytes + heap->shift + heap->size);
    for (size_t i = 0; i < 200; i++)
        assert_int_equal(b[i] | (i < 100 ? a[i] : 0), 0);
    for (size_t i = 0; i < sizeof heap->bytes; i++)
        if (i < heap->shift || i >= heap->shift + heap->size)
            assert_int_equal(heap->bytes[i], 0xab);
    bpi_release(&allocator, block);
}

static void arrays_are_aligned_wherever_the_block_begins(void **state)
{
    (void)state;
    static struct shifted_heap heap; /* static: alignas(64) holds there for every compiler */
    for (heap.shift = 0; heap.shift < 128; heap.shift++)
        check_places(&heap);
}

static void plan_for_nothing_takes_nothing(void **state)
{
    (void)state;
    struct test_heap heap;
    test_heap_init(&heap);
    void *block = &heap;

    assert_int_equal(bpi_plan_allocate(&(struct bpi_plan){ 0 }, "nothing", &heap.allocator, &block), BP_OK);
    assert_null(block);
    assert_int_equal(heap.n_allocs, 0);
}

static void refusal_of_the_heap_is_out_of_memory(void **state)
{
    (void)state;
    struct test_heap heap;
    test_heap_init(&heap);
    heap.fail_at = 1;
    struct bpi_plan plan = { 0 };
    (void)bpi_plan_array(&plan, 1000, 1);
    void *block = &heap;

    /* 1000 filled up to 1024, and 63 to begin at an aligned address */
    assert_refused(bpi_plan_allocate(&plan, "a thing", &heap.allocator, &block), BP_ERR_MEMORY, "a thing", "1087 bytes");
    assert_null(block);
    assert_true(test_heap_is_clean(&heap));
}

/* ---- Memory without a plan --------------------------------------------------------------------------------------- */

static void odd_sizes_are_not_asked_for(void **state)
{
    (void)state;
    struct test_heap heap;
    test_heap_init(&heap);

    assert_null(bpi_allocate(&heap.allocator, 0));
    assert_null(bpi_allocate(&heap.allocator, (size_t)PTRDIFF_MAX + 1));
    assert_null(bpi_allocate(&heap.allocator, SIZE_MAX));
    assert_int_equal(heap.n_allocs, 0);
}

static void block_goes_back_once_and_null_never(void **state)
{
    (void)state;
    struct test_heap heap;
    test_heap_init(&heap);

    void *memory = bpi_allocate(&heap.allocator, 10);
    assert_non_null(memory);
    memset(memory, 1, 10);
    bpi_release(&heap.allocator, memory);
    bpi_release(&heap.allocator, NULL);
    assert_int_equal(heap.n_allocs, 1);
    assert_true(test_heap_is_clean(&heap));
}

/* ---- The user's heap --------------------------------------------------------------------------------------------- */

static void *never_alloc(size_t size, void *user)
{
    (void)size, (void)user;
    fail_msg("half an allocator was used");
    return NULL;
}

static void never_release(void *memory, void *user)
{
    (void)memory, (void)user;
    fail_msg("half an allocator was used");
}

static const bp_allocator without_release = { .alloc = never_alloc };
static const bp_allocator without_alloc = { .release = never_release };

static void null_or_zeroed_allocator_is_malloc(void **state)
{
    (void)state;
    const bp_allocator zeroed = { 0 };
    const bp_allocator *const defaults[] = { NULL, &zeroed };
    for (size_t i = 0; i < COUNT(defaults); i++) {
        assert_int_equal(bpi_check_allocator("f", defaults[i]), BP_OK);
        const bp_allocator chosen = bpi_allocator_or_default(defaults[i]);
        void *memory = chosen.alloc(100, chosen.user);
        assert_non_null(memory);
        memory = realloc(memory, 200); /* what malloc() gave, realloc() takes */
        assert_non_null(memory);
        chosen.release(memory, chosen.user);
    }
}

static void given_allocator_is_taken_as_it_is(void **state)
{
    (void)state;
    struct test_heap heap;
    test_heap_init(&heap);

    assert_int_equal(bpi_check_allocator("f", &heap.allocator), BP_OK);
    const bp_allocator chosen = bpi_allocator_or_default(&heap.allocator);
    assert_memory_equal(&chosen, &heap.allocator, sizeof chosen);
}

static void half_an_allocator_is_refused(void **state)
{
    (void)state;
    assert_refused(bpi_check_allocator("bp_f", &without_release), BP_ERR_ARGUMENT, "bp_f", "alloc but no release");
    assert_refused(bpi_check_allocator("bp_f", &without_alloc), BP_ERR_ARGUMENT, "bp_f", "release but no alloc");
}

static const bp_layer_config one_layer = { .n_out = 2 };

/* Every public call that takes an allocator, with one that has only one of its functions. */
static void refuse_half_everywhere(const bp_allocator *half)
{
    bp_network net, clone;
    bp_optimizer opt;
    bp_idx idx;
    const bp_network_config with_half = { .n_in = 3, .n_layers = 1, .layers = &one_layer, .allocator = half };
    const bp_network_config config = { .n_in = 3, .n_layers = 1, .layers = &one_layer };
    assert_refused(bp_network_init(&net, &with_half), BP_ERR_ARGUMENT, "network_init: ", "allocator");

    assert_int_equal(bp_network_init(&net, &config), BP_OK);
    assert_refused(bp_network_clone(&clone, &net, half), BP_ERR_ARGUMENT, "network_clone: ", "allocator");
    assert_refused(bp_optimizer_init(&opt, &(bp_optimizer_config){ .allocator = half }, &net.parameters), BP_ERR_ARGUMENT,
                   "optimizer_init: ", "allocator");
    assert_refused(bp_idx_read_memory(&idx, "\0\0\x08\x01", 4, half), BP_ERR_ARGUMENT, "idx_read_memory: ", "allocator");

    const bp_real X[3] = { 0 }, T[2] = { 0 };
    const bp_dataset data = { .rows = 1, .n_in = 3, .n_out = 2, .X = { .data = X }, .T = { .data = T } };
    assert_int_equal(bp_optimizer_init(&opt, &(bp_optimizer_config){ 0 }, &net.parameters), BP_OK);
    assert_refused(bp_train(&net, &opt, &data, &(bp_train_config){ .allocator = half }, NULL), BP_ERR_ARGUMENT,
                   "training: ", "allocator");
    bp_optimizer_free(&opt);
    bp_network_free(&net);
}

static void half_an_allocator_is_refused_by_every_call(void **state)
{
    (void)state;
    refuse_half_everywhere(&without_release);
    refuse_half_everywhere(&without_alloc);
}

/* ---- Objects ----------------------------------------------------------------------------------------------------- */

/* One object of each kind from one heap: a block each. The struct bp_allocator goes before they do. */
static void every_object_holds_one_block_and_gives_it_back(void **state)
{
    (void)state;
    struct test_heap heap;
    test_heap_init(&heap);
    bp_allocator passing = heap.allocator;
    bp_network net, clone;
    bp_workspace ws;
    bp_optimizer opt;
    const bp_network_config config = { .n_in = 3, .n_layers = 1, .layers = &one_layer, .allocator = &passing };
    const bp_optimizer_config rule = { .kind = BP_ADAM, .allocator = &passing };

    assert_int_equal(bp_network_init(&net, &config), BP_OK);
    assert_int_equal(heap.live_blocks, 1);
    assert_int_equal(bp_network_clone(&clone, &net, NULL), BP_OK);
    assert_int_equal(heap.live_blocks, 2);
    assert_int_equal(bp_optimizer_init(&opt, &rule, &net.parameters), BP_OK);
    assert_int_equal(heap.live_blocks, 3);
    assert_int_equal(heap.n_allocs, 3);
    assert_int_equal(bp_workspace_init(&ws, &net, 5, BP_TRAINING), BP_OK); /* may ask a second time, to warm BLAS up */
    assert_int_equal(heap.live_blocks, 4);

    memset(&passing, 0, sizeof passing);
    bp_workspace_free(&ws);
    bp_optimizer_free(&opt);
    bp_network_free(&clone);
    bp_network_free(&net);
    assert_true(test_heap_is_clean(&heap));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(products_are_right_or_refused),
        cmocka_unit_test(sums_are_right_or_refused),
        cmocka_unit_test(arrays_follow_each_other_at_aligned_offsets),
        cmocka_unit_test(one_walk_measures_and_places),
        cmocka_unit_test(sizes_that_overflow_make_the_plan_fail),
        cmocka_unit_test(plan_that_failed_stays_failed),
        cmocka_unit_test(arrays_are_aligned_wherever_the_block_begins),
        cmocka_unit_test(plan_for_nothing_takes_nothing),
        cmocka_unit_test(refusal_of_the_heap_is_out_of_memory),
        cmocka_unit_test(odd_sizes_are_not_asked_for),
        cmocka_unit_test(block_goes_back_once_and_null_never),
        cmocka_unit_test(null_or_zeroed_allocator_is_malloc),
        cmocka_unit_test(given_allocator_is_taken_as_it_is),
        cmocka_unit_test(half_an_allocator_is_refused),
        cmocka_unit_test(half_an_allocator_is_refused_by_every_call),
        cmocka_unit_test(every_object_holds_one_block_and_gives_it_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
