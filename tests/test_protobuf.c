// SPDX-License-Identifier: MIT
/*
 * The encoder against bytes worked out by hand; most are the examples of Protocol Buffers' own documentation
 * (https://protobuf.dev/programming-guides/encoding/).
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "backprop/memory.h"
#include "store/protobuf.h"
#include "support/heap.h"
#include "support/refusal.h"

#define BYTES(...) (const unsigned char[]){ __VA_ARGS__ }, sizeof((const unsigned char[]){ __VA_ARGS__ })

struct fixture {
    struct test_heap heap;
    struct bpi_protobuf message;
};

static int set_up(void **state)
{
    static struct fixture f;
    test_heap_init(&f.heap);
    f.message = (struct bpi_protobuf){ .allocator = f.heap.allocator };
    *state = &f;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;
    bpi_protobuf_release(&f->message);
    assert_true(test_heap_is_clean(&f->heap));
    return 0;
}

static void assert_bytes(const struct bpi_protobuf *message, const unsigned char *expected, size_t n)
{
    assert_int_equal(message->status, BP_OK);
    assert_int_equal(message->bytes.n, n);
    assert_memory_equal(message->bytes.data, expected, n);
}

static void whole_number_is_a_tag_and_a_varint(void **state)
{
    struct fixture *f = *state;
    bpi_protobuf_uint(&f->message, 1, 150);
    assert_bytes(&f->message, BYTES(0x08, 0x96, 0x01));
}

static void varint_has_seven_bits_a_byte_and_none_too_many(void **state)
{
    struct fixture *f = *state;
    bpi_protobuf_uint(&f->message, 1, 0);
    bpi_protobuf_uint(&f->message, 1, 127);
    bpi_protobuf_uint(&f->message, 1, 128);
    bpi_protobuf_uint(&f->message, 1, 16383);
    bpi_protobuf_uint(&f->message, 1, 16384);
    bpi_protobuf_uint(&f->message, 1, UINT64_MAX);
    assert_bytes(&f->message, BYTES(0x08, 0x00, 0x08, 0x7f, 0x08, 0x80, 0x01, 0x08, 0xff, 0x7f, 0x08, 0x80, 0x80, 0x01,
                                    0x08, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01));
}

static void field_number_above_15_takes_two_bytes(void **state)
{
    struct fixture *f = *state;
    bpi_protobuf_uint(&f->message, 15, 1);
    bpi_protobuf_uint(&f->message, 16, 1);
    bpi_protobuf_uint(&f->message, 20, 7);
    assert_bytes(&f->message, BYTES(0x78, 0x01, 0x80, 0x01, 0x01, 0xa0, 0x01, 0x07));
}

static void text_is_a_length_and_its_bytes(void **state)
{
    struct fixture *f = *state;
    bpi_protobuf_text(&f->message, 2, "testing");
    bpi_protobuf_text(&f->message, 2, "");
    assert_bytes(&f->message, BYTES(0x12, 0x07, 0x74, 0x65, 0x73, 0x74, 0x69, 0x6e, 0x67, 0x12, 0x00));
}

static void message_within_a_message_has_its_length_in_front(void **state)
{
    struct fixture *f = *state;
    const size_t inner = bpi_protobuf_begin(&f->message, 3);
    bpi_protobuf_uint(&f->message, 1, 150);
    bpi_protobuf_end(&f->message, inner);
    assert_bytes(&f->message, BYTES(0x1a, 0x03, 0x08, 0x96, 0x01));
}

static void messages_nest_to_any_depth_and_may_be_empty(void **state)
{
    struct fixture *f = *state;
    const size_t outer = bpi_protobuf_begin(&f->message, 1);
    const size_t middle = bpi_protobuf_begin(&f->message, 2);
    const size_t empty = bpi_protobuf_begin(&f->message, 3);
    bpi_protobuf_end(&f->message, empty);
    bpi_protobuf_end(&f->message, middle);
    bpi_protobuf_uint(&f->message, 4, 5);
    bpi_protobuf_end(&f->message, outer);
    assert_bytes(&f->message, BYTES(0x0a, 0x06, 0x12, 0x02, 0x1a, 0x00, 0x20, 0x05));
}

static void length_of_200_takes_two_bytes_and_moves_what_is_there(void **state)
{
    struct fixture *f = *state;
    unsigned char payload[200], expected[206] = { 0x08, 0x01, 0x12, 0xc8, 0x01 };
    for (size_t i = 0; i < sizeof payload; i++)
        payload[i] = (unsigned char)i;
    memcpy(expected + 5, payload, sizeof payload);
    bpi_protobuf_uint(&f->message, 1, 1);
    const size_t begun = bpi_protobuf_begin(&f->message, 2);
    bpi_protobuf_raw(&f->message, payload, sizeof payload);
    bpi_protobuf_end(&f->message, begun);
    assert_bytes(&f->message, expected, 205);
}

/* The documentation's packed field: 3, 270 and 86942. */
static void packed_numbers_stand_one_behind_the_other(void **state)
{
    struct fixture *f = *state;
    const size_t begun = bpi_protobuf_begin(&f->message, 6);
    bpi_protobuf_raw(&f->message, BYTES(0x03, 0x8e, 0x02, 0x9e, 0xa7, 0x05));
    bpi_protobuf_end(&f->message, begun);
    assert_bytes(&f->message, BYTES(0x32, 0x06, 0x03, 0x8e, 0x02, 0x9e, 0xa7, 0x05));
}

/* 2^32 bytes in a field of a message of 2^32 + 6, of which none is here. */
static void what_is_announced_counts_but_is_not_there(void **state)
{
    struct fixture *f = *state;
    const size_t begun = bpi_protobuf_begin(&f->message, 5);
    bpi_protobuf_announce(&f->message, 10, (uint64_t)1 << 32);
    bpi_protobuf_end_announced(&f->message, begun, (uint64_t)1 << 32);
    assert_bytes(&f->message, BYTES(0x2a, 0x86, 0x80, 0x80, 0x80, 0x10, 0x52, 0x80, 0x80, 0x80, 0x80, 0x10));
}

/* 1 is 0x3f8 and 0x3ff with zeros behind; -0.1 is 0xbdcccccd and 0xbfb999999999999a (IEEE 754). */
static void packed_floats_are_little_endian(void **state)
{
    (void)state;
    unsigned char f64[8], f32[4];
    bpi_protobuf_f64(1, f64);
    assert_memory_equal(f64, ((const unsigned char[]){ 0, 0, 0, 0, 0, 0, 0xf0, 0x3f }), 8);
    bpi_protobuf_f64(-0.1, f64);
    assert_memory_equal(f64, ((const unsigned char[]){ 0x9a, 0x99, 0x99, 0x99, 0x99, 0x99, 0xb9, 0xbf }), 8);
    bpi_protobuf_f32(1, f32);
    assert_memory_equal(f32, ((const unsigned char[]){ 0, 0, 0x80, 0x3f }), 4);
    bpi_protobuf_f32(-0.1F, f32);
    assert_memory_equal(f32, ((const unsigned char[]){ 0xcd, 0xcc, 0xcc, 0xbd }), 4);
}

static void nothing_is_added_after_a_failure(void **state)
{
    struct fixture *f = *state;
    f->heap.fail_at = 1;
    const size_t begun = bpi_protobuf_begin(&f->message, 1);
    bpi_protobuf_text(&f->message, 2, "lost");
    bpi_protobuf_uint(&f->message, 3, 4);
    bpi_protobuf_end(&f->message, begun);
    assert_int_equal(f->message.status, BP_ERR_MEMORY);
    assert_int_equal(f->message.bytes.n, 0);
    assert_int_equal(f->heap.n_allocs, 1);

    bpi_protobuf_release(&f->message);
    bpi_protobuf_uint(&f->message, 3, 4);
    assert_bytes(&f->message, BYTES(0x18, 0x04));
}

static void message_without_memory_for_its_length_fails(void **state)
{
    struct fixture *f = *state;
    static const unsigned char payload[1023];
    f->heap.fail_at = 2;
    const size_t begun = bpi_protobuf_begin(&f->message, 1);
    bpi_protobuf_raw(&f->message, payload, sizeof payload); /* 1024 with the tag: all the room there is */
    assert_int_equal(f->message.status, BP_OK);
    bpi_protobuf_end(&f->message, begun);
    assert_int_equal(f->message.status, BP_ERR_MEMORY);
}

static void files_end_before_2_gib(void **state)
{
    (void)state;
    assert_int_equal(bpi_protobuf_check_size("f", 2147483647), BP_OK);
    assert_refused(bpi_protobuf_check_size("f", 2147483648), BP_ERR_TOO_LARGE, "f: ", "2147483648 bytes", "2147483647");
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(whole_number_is_a_tag_and_a_varint),
        TEST(varint_has_seven_bits_a_byte_and_none_too_many),
        TEST(field_number_above_15_takes_two_bytes),
        TEST(text_is_a_length_and_its_bytes),
        TEST(message_within_a_message_has_its_length_in_front),
        TEST(messages_nest_to_any_depth_and_may_be_empty),
        TEST(length_of_200_takes_two_bytes_and_moves_what_is_there),
        TEST(packed_numbers_stand_one_behind_the_other),
        TEST(what_is_announced_counts_but_is_not_there),
        TEST(packed_floats_are_little_endian),
        TEST(nothing_is_added_after_a_failure),
        TEST(message_without_memory_for_its_length_fails),
        TEST(files_end_before_2_gib),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
