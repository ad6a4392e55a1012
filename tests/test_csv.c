// SPDX-License-Identifier: MIT
/*
 * CSV and its kin: what is read, what is refused and with which sentence, and that no bytes, no locale and no lack of
 * memory do any harm. What is read is compared as text, in a form that dump() writes.
 */
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

#include "backprop/csv.h"
#include "support/bytes.h"
#include "support/heap.h"
#include "support/locale.h"

#define COUNT(array) (sizeof(array) / sizeof(array)[0])

/* ---- reading in two ways ----------------------------------------------------------------------------------------- */

typedef bp_status read_function(bp_csv *csv, const void *data, size_t n, const bp_csv_config *config);

/* From a block that ends where the bytes do, for memory checkers. */
static bp_status read_from_memory(bp_csv *csv, const void *data, size_t n, const bp_csv_config *config)
{
    unsigned char *copy = test_bytes_copy(data, n);
    const bp_status status = bp_csv_read_memory(csv, copy, n, config);
    free(copy);
    return status;
}

static bp_status read_from_path(bp_csv *csv, const void *data, size_t n, const bp_csv_config *config)
{
    const char *path = test_file(data, n);
    const bp_status status = bp_csv_read(csv, path, config);
    assert_int_equal(remove(path), 0);
    return status;
}

static read_function *const ways[] = { read_from_memory, read_from_path };

/* ---- what is expected -------------------------------------------------------------------------------------------- */

static void put(struct test_bytes *text, const char *format, ...)
{
    char part[256];
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(part, sizeof part, format, arguments);
    va_end(arguments);
    test_bytes_append_text(text, part);
}

static void put_names(struct test_bytes *text, const char **names, size_t n)
{
    for (size_t i = 0; names != NULL && i < n; i++)
        put(text, i == 0 ? "%s" : ",%s", names[i]);
}

static void put_numbers(struct test_bytes *text, const bp_real *numbers, size_t n)
{
    for (size_t i = 0; numbers != NULL && i < n; i++)
        put(text, i == 0 ? "%g" : ",%g", (double)numbers[i]);
}

/*
 * "a,b>c|1,2>3|4,5>6": names of inputs, > names of targets, then each row in the same way. A label is its class's number,
 * as "#1"; the names of classes follow in braces, then what stands for missing numbers in brackets with how many there
 * were.
 */
static void dump(const bp_csv *csv, struct test_bytes *text)
{
    put_names(text, csv->input_names, csv->n_in);
    put(text, ">");
    put_names(text, csv->target_names, csv->n_targets);
    for (size_t row = 0; row < csv->rows; row++) {
        put(text, "|");
        put_numbers(text, csv->X + row * csv->n_in, csv->n_in);
        put(text, ">");
        if (csv->T != NULL)
            put_numbers(text, csv->T + row * csv->n_targets, csv->n_targets);
        if (csv->labels != NULL)
            put(text, "#%d", (int)csv->labels[row]);
    }
    if (csv->class_names != NULL) {
        put(text, "{");
        put_names(text, csv->class_names, csv->n_classes);
        put(text, "}");
    }
    if (csv->fill != NULL) {
        put(text, "[");
        put_numbers(text, csv->fill, csv->n_in);
        put(text, ";%zu]", csv->n_missing);
    }
    test_bytes_append(text, "", 1); /* the NUL */
}

static void assert_zeroed(const bp_csv *csv)
{
    assert_true(csv->rows == 0 && csv->n_in == 0 && csv->n_targets == 0 && csv->n_classes == 0 && csv->n_missing == 0);
    assert_true(csv->X == NULL && csv->T == NULL && csv->labels == NULL && csv->fill == NULL && csv->block == NULL);
    assert_true(csv->input_names == NULL && csv->target_names == NULL && csv->class_names == NULL);
    assert_true(csv->allocator.alloc == NULL && csv->allocator.release == NULL && csv->allocator.user == NULL);
    assert_true(csv->data.rows == 0 && csv->data.X.data == NULL && csv->data.T.data == NULL);
    assert_true(csv->data.labels.data == NULL && csv->data.n_in == 0 && csv->data.n_out == 0);
}

/* The views show the arrays, and a trainer would take them. */
static void assert_dataset(const bp_csv *csv)
{
    const bp_dataset *data = &csv->data;
    assert_int_equal(data->rows, csv->rows);
    assert_int_equal(data->n_in, csv->n_in);
    assert_int_equal(data->n_out, csv->n_classes > 0 ? csv->n_classes : csv->n_targets);
    assert_ptr_equal(data->X.data, csv->X);
    assert_ptr_equal(data->T.data, csv->T);
    assert_ptr_equal(data->labels.data, csv->labels);
    assert_null(data->weights.data);
    if (csv->n_targets > 0 && bp_dataset_check(data, NULL) != BP_OK)
        fail_msg("the dataset is refused: %s", bp_error_message());
}

/* Reads in both ways, over whatever csv held before, from a heap that must be clean afterwards. */
static void assert_reads(const void *bytes, size_t n, const bp_csv_config *config, const char *expected)
{
    for (size_t way = 0; way < COUNT(ways); way++) {
        struct test_heap heap;
        test_heap_init(&heap);
        bp_csv_config settings = config != NULL ? *config : (bp_csv_config){ 0 };
        settings.allocator = &heap.allocator;
        bp_csv csv;
        memset(&csv, 0xA5, sizeof csv);
        if (ways[way](&csv, bytes, n, &settings) != BP_OK)
            fail_msg("%.60s: refused: %s", (const char *)bytes, bp_error_message());
        assert_int_equal(heap.live_blocks, 1);
        assert_ptr_equal(csv.allocator.user, &heap);
        assert_dataset(&csv);

        struct test_bytes found = { 0 };
        dump(&csv, &found);
        if (strcmp((const char *)found.data, expected) != 0)
            fail_msg("%.60s: found    %s\nexpected %s", (const char *)bytes, (const char *)found.data, expected);
        test_bytes_clear(&found);
        bp_csv_free(&csv);
        assert_zeroed(&csv);
        assert_true(test_heap_is_clean(&heap));
    }
}

static void assert_reads_text(const char *text, const bp_csv_config *config, const char *expected)
{
    assert_reads(text, strlen(text), config, expected);
}

/* Returns the most memory that was in use. */
static size_t assert_refused(read_function *read, const void *bytes, size_t n, const bp_csv_config *config,
                             bp_status expected, const char *sentence)
{
    struct test_heap heap;
    test_heap_init(&heap);
    bp_csv_config settings = config != NULL ? *config : (bp_csv_config){ 0 };
    settings.allocator = &heap.allocator;
    bp_csv csv;
    memset(&csv, 0xA5, sizeof csv);
    const bp_status status = read(&csv, bytes, n, &settings);
    if (status != expected || strstr(bp_error_message(), sentence) == NULL)
        fail_msg("%.60s: status %d, \"%s\"; expected %d, \"%s\"", (const char *)bytes, (int)status, bp_error_message(),
                 (int)expected, sentence);
    assert_zeroed(&csv);
    assert_true(test_heap_is_clean(&heap));
    return heap.peak_bytes;
}

/* ---- what is read ------------------------------------------------------------------------------------------------ */

static const bp_csv_config no_header = { .no_header = true };
static const bp_csv_config tabs = { .separator = '\t' };
static const bp_csv_config spaces = { .separator = ' ' };
static const bp_csv_config semicolons = { .separator = ';' };
static const bp_csv_config no_targets = { .no_targets = true };
static const bp_csv_config classes = { .classes = true };

static void every_way_to_write_a_table_is_read(void **state)
{
    (void)state;
    static const char expected[] = "a,b>c|1,2>3|4,5>6";
    static const char *const texts[] = {
        "a,b,c\n1,2,3\n4,5,6\n",
        "a,b,c\n1,2,3\n4,5,6",
        "a,b,c\r\n1,2,3\r\n4,5,6\r\n",
        "a,b,c\r1,2,3\r4,5,6\r",
        "a,b,c\n1,2,3\r\n4,5,6\r",
        "a,b,c\n1,2,3\n4,5,6\n\n",
        "a,b,c\n1,2,3\n4,5,6\r\n\r\n \t\r\n  ",
        "\357\273\277a,b,c\n1,2,3\n4,5,6\n",
        "a , b\t,\tc \n 1 ,2  ,3\t\n4,  5,6   \n",
        "\"a\",\"b\",\"c\"\n\"1\",\"2\",\"3\"\n\"4\",5,\"6\"\n",
        " \"a\" ,\t\"b\" , \"c\" \n \"1\" ,2, \"3\"\t\n4,5,6\n",
        "a,b,c\n+1,2.,3.0\n4e0,.5e1,600E-2\n",
        "a,b,c\n1.000000000000000000000,2,0.3e+1\n00004,5,6\n",
    };
    for (size_t i = 0; i < COUNT(texts); i++)
        assert_reads_text(texts[i], NULL, expected);
}

static void quoted_fields_keep_what_is_in_them(void **state)
{
    (void)state;
    assert_reads_text("\"a,b\",\"say \"\"hi\"\"\",\" c \"\n1,2,3\n", NULL, "a,b,say \"hi\"> c |1,2>3");
    assert_reads_text("\"a\nb\",\"c\r\nd\",\"\"\n1,2,3\n", NULL, "a\nb,c\nd>|1,2>3");
    assert_reads_text("\"\"\"\",,\"\"\"x\"\n1,2,3\n", NULL, "\",>\"x|1,2>3");
    assert_reads_text("\xC3\xA4,b\n1,2\n", NULL, "\xC3\xA4>b|1>2");
    assert_reads_text("x,y\n1,\"a,\"\"b\"\"\nc\"\n", &classes, "x>y|1>#0{a,\"b\"\nc}");
    assert_reads_text("x,y\n1, a b \n2,\" a b \"\n", &classes, "x>y|1>#1|2>#0{ a b ,a b}");
}

static void separators_and_headers_are_as_the_settings_say(void **state)
{
    (void)state;
    assert_reads_text("1,2,3\n4,5,6\n", &no_header, ">|1,2>3|4,5>6");
    assert_reads_text("1,2,3", &no_header, ">|1,2>3");
    assert_reads_text("2020,2021\n1,2\n", NULL, "2020>2021|1>2"); /* nothing is guessed */
    assert_reads_text("a\tb b\t c\n1\t2\t 3\n", &tabs, "a,b b>c|1,2>3");
    assert_reads_text("a b c\n1 2 3\n", &spaces, "a,b>c|1,2>3");
    assert_reads_text("a \t\tb\n1 \"2\"\t\n", &spaces, "a>b|1>2");
    assert_reads_text("a,1;b;c\n1;2;3\n", &semicolons, "a,1,b>c|1,2>3");
    assert_reads_text("a|b\n1|2\n", &(bp_csv_config){ .separator = '|' }, "a>b|1>2");
    assert_reads_text("a:b\n1:2\n", &(bp_csv_config){ .separator = ':' }, "a>b|1>2");
    assert_reads_text("a\x1f"
                      "b\n1\x1f"
                      "2\n",
                      &(bp_csv_config){ .separator = '\x1f' }, "a>b|1>2");
}

static void targets_are_the_columns_that_are_named_in_their_order(void **state)
{
    (void)state;
    static const char text[] = "a,b,c,d\n1,2,3,4\n5,6,7,8\n";
    assert_reads_text(text, NULL, "a,b,c>d|1,2,3>4|5,6,7>8");
    assert_reads_text(text, &no_targets, "a,b,c,d>|1,2,3,4>|5,6,7,8>");

    const bp_csv_column by_name[] = { { .name = "d" }, { .name = "a" } };
    const bp_csv_column by_number[] = { { .number = 4 }, { .number = 1 } };
    const bp_csv_column mixed[] = { { .number = 4 }, { .name = "a" } };
    const bp_csv_column *const lists[] = { by_name, by_number, mixed };
    for (size_t i = 0; i < COUNT(lists); i++) {
        assert_reads_text(text, &(bp_csv_config){ .targets = lists[i], .n_targets = 2 }, "b,c>d,a|2,3>4,1|6,7>8,5");
        assert_reads_text(text, &(bp_csv_config){ .targets = lists[i], .n_targets = 1 }, "a,b,c>d|1,2,3>4|5,6,7>8");
        assert_reads_text(text, &(bp_csv_config){ .ignored = lists[i] + 1, .n_ignored = 1 }, "b,c>d|2,3>4|6,7>8");
        assert_reads_text(text, &(bp_csv_config){ .ignored = lists[i], .n_ignored = 2, .no_targets = true },
                          "b,c>|2,3>|6,7>");
        assert_reads_text(text,
                          &(bp_csv_config){ .targets = lists[i], .n_targets = 1, .ignored = lists[i] + 1, .n_ignored = 1 },
                          "b,c>d|2,3>4|6,7>8");
    }
    assert_reads_text("1,2,3\n4,5,6\n", &(bp_csv_config){ .no_header = true, .targets = by_number + 1, .n_targets = 1 },
                      ">|2,3>1|5,6>4");
}

static void columns_that_are_ignored_may_hold_anything(void **state)
{
    (void)state;
    const bp_csv_column ignored[] = { { .name = "id" }, { .name = "note" } };
    assert_reads_text("id,x,note,y\nA-1,1,\"long, \"\"odd\"\"\n text\",2\n,3,,4\nnan,5,1e999,6\n",
                      &(bp_csv_config){ .ignored = ignored, .n_ignored = 2 }, "x>y|1>2|3>4|5>6");
    assert_reads_text("x,x,y\n1,2,3\n", NULL, "x,x>y|1,2>3"); /* nobody asks for the name that is there twice */
    assert_reads_text("x\n1\n2\n", &no_targets, "x>|1>|2>");
}

/* ---- classes ----------------------------------------------------------------------------------------------------- */

static void classes_are_numbered_in_the_order_of_their_names(void **state)
{
    (void)state;
    assert_reads_text("x,y\n1,dog\n2,cat\n3,dog\n4,ape\n", &classes, "x>y|1>#2|2>#1|3>#2|4>#0{ape,cat,dog}");
    assert_reads_text("x,y\n1,b\n2,B\n3,a\n4,\xC3\xA4\n5,ab\n", &classes,
                      "x>y|1>#3|2>#0|3>#1|4>#4|5>#2{B,a,ab,b,\xC3\xA4}");
    assert_reads_text("x,y\n1,one\n", &classes, "x>y|1>#0{one}");
    /* numbers by their value, before what is none; of one value, by their texts, which make them different */
    assert_reads_text("x,y\n1,10\n2,9\n3,-1\n4,z\n5,1e1\n6,9\n", &classes,
                      "x>y|1>#2|2>#1|3>#0|4>#4|5>#3|6>#1{-1,9,10,1e1,z}");
    assert_reads_text("x,y\n1,inf\n2,-nan\n3,!\n4,na\n5,1e999\n6,5\n", &classes,
                      "x>y|1>#4|2>#2|3>#1|4>#5|5>#3|6>#0{5,!,-nan,1e999,inf,na}");
    const bp_csv_column first = { .number = 1 };
    assert_reads_text("b,1\na,2\n",
                      &(bp_csv_config){ .no_header = true, .classes = true, .targets = &first, .n_targets = 1 },
                      ">|1>#1|2>#0{a,b}");
}

static void classes_that_are_given_keep_their_numbers(void **state)
{
    (void)state;
    const char *const names[] = { "dog", "cat", "ape", "" };
    const bp_csv_config config = { .classes = true, .class_names = names, .n_classes = 4 };
    assert_reads_text("x,y\n1,cat\n2,dog\n3,cat\n4,ape\n", &config, "x>y|1>#1|2>#0|3>#1|4>#2{dog,cat,ape,}");
    assert_reads_text("x,y\n1,cat\n", &config, "x>y|1>#1{dog,cat,ape,}");
    for (size_t way = 0; way < COUNT(ways); way++) {
        assert_refused(ways[way], "x,y\n1,cat\n2,cow\n", 16, &config, BP_ERR_TARGET,
                       "line 3, column 3: field 2 ('y'): expected one of the 4 class_names, found 'cow'");
        assert_refused(ways[way], "x,y\n1,cat\n2,Dog\n", 16, &config, BP_ERR_TARGET, "found 'Dog'");
        assert_refused(ways[way], "x,y\n1,\n", 7, &config, BP_ERR_FORMAT,
                       "line 2, column 3: field 2 ('y') is missing: expected the name of a class, found nothing");
    }
    const char *const one[] = { "only" };
    assert_reads_text("x,y\n1,only\n", &(bp_csv_config){ .classes = true, .class_names = one, .n_classes = 1 },
                      "x>y|1>#0{only}");
}

/* It would be a class of all that nobody knows. */
static void what_stands_for_nothing_is_no_class_unless_it_is_among_the_names(void **state)
{
    (void)state;
    static const char *const marks[] = { "NA", "N/A", "NaN", "nan", "NULL", "null", "?" };
    const char *const names[] = { "a", "NA" }, *const dash[] = { "-" };
    for (size_t i = 0; i < COUNT(marks); i++) {
        char text[32], sentence[64];
        const int n = snprintf(text, sizeof text, "x,y\n1,a\n2,%s\n", marks[i]);
        (void)snprintf(sentence, sizeof sentence, "is missing: expected the name of a class, found '%s'", marks[i]);
        assert_refused(read_from_memory, text, (size_t)n, &classes, BP_ERR_FORMAT, sentence);
    }
    const bp_csv_config named = { .classes = true, .class_names = names, .n_classes = 2 };
    assert_reads_text("x,y\n1,a\n2,NA\n", &named, "x>y|1>#0|2>#1{a,NA}");
    assert_refused(read_from_memory, "x,y\n1,a\n2,?\n", 12, &named, BP_ERR_FORMAT,
                   "line 3, column 3: field 2 ('y') is missing: expected the name of a class, found '?'");
    const bp_csv_config marked = { .classes = true, .missing_marks = dash, .n_missing_marks = 1 };
    assert_reads_text("x,y\n1,a\n2,NA\n", &marked, "x>y|1>#1|2>#0{NA,a}");
    assert_refused(read_from_memory, "x,y\n1,a\n2,-\n", 12, &marked, BP_ERR_FORMAT, "found '-'");
}

/* The classes of the training data, in the test data. */
static void one_file_gives_the_next_its_classes_and_what_stands_for_missing_numbers(void **state)
{
    (void)state;
    static const char trained[] = "x,z,y\n1,4,b\n3,,a\n,8,c\n";
    bp_csv train;
    assert_int_equal(bp_csv_read_memory(&train, trained, sizeof trained - 1,
                                        &(bp_csv_config){ .classes = true, .missing = BP_CSV_MEAN }),
                     BP_OK);
    const bp_csv_config config = { .classes = true,
                                   .class_names = (const char *const *)train.class_names,
                                   .n_classes = train.n_classes,
                                   .missing = BP_CSV_FILL,
                                   .fill = train.fill,
                                   .n_fill = train.n_in };
    assert_reads_text("x,z,y\n,,c\n7,9,b\n", &config, "x,z>y|2,6>#2|7,9>#1{a,b,c}[2,6;2]");
    bp_csv_free(&train);
}

/* Every class once, in an order that is far from theirs; then again. */
static void many_classes_are_sorted(void **state)
{
    (void)state;
    struct test_bytes text = { 0 };
    test_bytes_append_text(&text, "x,y\n");
    const size_t n = 3001;
    for (size_t i = 0; i < 2 * n; i++)
        put(&text, "%zu,c%05zu\n", i, i * 1237 % n);
    bp_csv csv;
    assert_int_equal(bp_csv_read_memory(&csv, text.data, text.n, &classes), BP_OK);
    assert_int_equal(csv.n_classes, n);
    for (size_t i = 0; i < 2 * n; i++)
        assert_int_equal(csv.labels[i], i * 1237 % n);
    for (size_t i = 0; i < n; i++) {
        char name[16];
        (void)snprintf(name, sizeof name, "c%05zu", i);
        assert_string_equal(csv.class_names[i], name);
    }
    bp_csv_free(&csv);
    test_bytes_clear(&text);
}

/* ---- missing numbers --------------------------------------------------------------------------------------------- */

static void missing_inputs_are_filled_in_as_asked(void **state)
{
    (void)state;
    static const char text[] = "a,b,y\n1,,1\n,4,2\n3,NA,3\n\"\",8,4\n";
    assert_reads_text(text, &(bp_csv_config){ .missing = BP_CSV_MEAN }, "a,b>y|1,6>1|2,4>2|3,6>3|2,8>4[2,6;4]");
    assert_reads_text(text, &(bp_csv_config){ .missing = BP_CSV_CONSTANT }, "a,b>y|1,0>1|0,4>2|3,0>3|0,8>4[0,0;4]");
    assert_reads_text(text, &(bp_csv_config){ .missing = BP_CSV_CONSTANT, .constant = (bp_real)-1.5 },
                      "a,b>y|1,-1.5>1|-1.5,4>2|3,-1.5>3|-1.5,8>4[-1.5,-1.5;4]");
    const bp_real fill[] = { 10, 20 };
    assert_reads_text(text, &(bp_csv_config){ .missing = BP_CSV_FILL, .fill = fill, .n_fill = 2 },
                      "a,b>y|1,20>1|10,4>2|3,20>3|10,8>4[10,20;4]");
    assert_reads_text("a,y\n1,1\n2,2\n", &(bp_csv_config){ .missing = BP_CSV_MEAN }, "a>y|1>1|2>2[1.5;0]");
    assert_reads_text("a\n1\n\"\"\n5\n", &(bp_csv_config){ .missing = BP_CSV_MEAN, .no_targets = true },
                      "a>|1>|3>|5>[3;1]");
    const bp_csv_column middle = { .name = "y" };
    assert_reads_text("a,y,b\n1,7,\n,8,4\n", &(bp_csv_config){ .missing = BP_CSV_MEAN, .targets = &middle, .n_targets = 1 },
                      "a,b>y|1,4>7|1,4>8[1,4;2]");
}

static void marks_say_what_is_missing(void **state)
{
    (void)state;
    assert_reads_text("a,b,c,d,e,f,g,h,y\n,NA,N/A,NaN,nan,NULL,null,?,1\n",
                      &(bp_csv_config){ .missing = BP_CSV_CONSTANT, .constant = 5 },
                      "a,b,c,d,e,f,g,h>y|5,5,5,5,5,5,5,5>1[5,5,5,5,5,5,5,5;8]");
    const char *const marks[] = { "-999", "x" };
    const bp_csv_config config = { .missing = BP_CSV_CONSTANT, .missing_marks = marks, .n_missing_marks = 2 };
    assert_reads_text("a,b,c,d,y\n-999,x,,-999.0,1\n", &config, "a,b,c,d>y|0,0,0,-999>1[0,0,0,0;3]");
    assert_refused(read_from_memory, "a,y\nNA,1\n", 9, &config, BP_ERR_FORMAT, "expected a number, found 'NA'");
    assert_refused(read_from_memory, "a,y\nnan,1\n", 10, &config, BP_ERR_NONFINITE,
                   "expected a finite number, found 'nan'");
}

/* In double, the sum of two largest numbers overflows; their mean does not. */
static void a_mean_is_right_where_the_sum_would_overflow(void **state)
{
    (void)state;
    struct test_bytes text = { 0 };
    put(&text, "a,b,y\n%.17g,%.17g,1\n%.17g,%.17g,1\n,,1\n", (double)BP_REAL_MAX, (double)BP_REAL_MAX, (double)BP_REAL_MAX,
        -(double)BP_REAL_MAX);
    bp_csv csv;
    assert_int_equal(bp_csv_read_memory(&csv, text.data, text.n, &(bp_csv_config){ .missing = BP_CSV_MEAN }), BP_OK);
    assert_true(csv.X[4] == BP_REAL_MAX);
    assert_true(csv.X[5] == 0);
    bp_csv_free(&csv);
    test_bytes_clear(&text);
}

/* ---- numbers ----------------------------------------------------------------------------------------------------- */

static void numbers_become_the_nearest_real(void **state)
{
    (void)state;
    static const char text[] = "a,b,c,d,y\n0.1,1e23,16777217,5e-324,3.0e-46\n";
    bp_csv csv;
    assert_int_equal(bp_csv_read_memory(&csv, text, sizeof text - 1, NULL), BP_OK);
#ifdef BACKPROP_SINGLE
    assert_true(csv.X[0] == 0.1F && csv.X[1] == 1e23F && csv.X[2] == 16777216.0F && csv.X[3] == 0 && csv.T[0] == 0);
#else
    assert_true(csv.X[0] == 0.1 && csv.X[1] == 1e23 && csv.X[2] == 16777217.0 && csv.X[3] == 0x1p-1074 &&
                csv.T[0] == 3e-46);
#endif
    bp_csv_free(&csv);
}

static void a_large_table_comes_through_unchanged(void **state)
{
    (void)state;
    struct test_bytes text = { 0 };
    const size_t rows = 2000, columns = 37;
    for (size_t i = 0; i < rows * columns; i++)
        put(&text, (i + 1) % columns == 0 ? "%zu.25\n" : "%zu.25,", i);
    for (size_t way = 0; way < COUNT(ways); way++) {
        bp_csv csv;
        assert_int_equal(ways[way](&csv, text.data, text.n, &no_header), BP_OK);
        assert_int_equal(csv.rows, rows);
        assert_int_equal(csv.n_in, columns - 1);
        for (size_t i = 0; i < rows * columns; i++) {
            const size_t row = i / columns, column = i % columns;
            const bp_real found = column + 1 == columns ? csv.T[row] : csv.X[row * (columns - 1) + column];
            if (found != (bp_real)((double)i + 0.25))
                fail_msg("row %zu, column %zu is %g", row, column, (double)found);
        }
        assert_int_equal((uintptr_t)csv.X % 64, 0);
        bp_csv_free(&csv);
    }
    test_bytes_clear(&text);
}

static void the_locale_changes_nothing(void **state)
{
    (void)state;
    if (!test_set_comma_locale())
        skip();
    bp_csv csv;
    static const char text[] = "a,y\n1.5,2.5e-1\n";
    assert_int_equal(bp_csv_read_memory(&csv, text, sizeof text - 1, NULL), BP_OK);
    assert_true(csv.X[0] == (bp_real)1.5 && csv.T[0] == (bp_real)0.25);
    bp_csv_free(&csv);
    assert_refused(read_from_memory, "a;y\n1,5;2\n", 10, &semicolons, BP_ERR_FORMAT, "expected a number, found '1,5'");
    assert_non_null(setlocale(LC_ALL, "C"));
}

/* ---- what is refused --------------------------------------------------------------------------------------------- */

/* Text with the place that the sentence has to name. A text with a NUL gives its length. */
static const struct {
    const char *text;
    size_t n; /* 0: up to the NUL */
    const bp_csv_config *config;
    bp_status status;
    const char *sentence;
} malformed[] = {
    /* nothing there */
    { "", 0, NULL, BP_ERR_FORMAT, "line 1, column 1: expected the names of the columns, found the end" },
    { "", 0, &no_header, BP_ERR_FORMAT, "line 1, column 1: expected rows, found the end" },
    { "\n\n", 0, NULL, BP_ERR_FORMAT, "line 3, column 1: expected the names of the columns, found the end" },
    { " \t", 0, &no_header, BP_ERR_FORMAT, "line 1, column 3: expected rows, found the end" },
    { "\xEF\xBB\xBF", 0, NULL, BP_ERR_FORMAT, "line 1, column 1: expected the names" },
    { "a,b", 0, NULL, BP_ERR_FORMAT, "line 1, column 4: expected rows behind the names of the columns, found the end" },
    { "a,b\n", 0, NULL, BP_ERR_FORMAT, "line 2, column 1: expected rows behind the names" },
    { "a,b\r\n\r\n", 0, NULL, BP_ERR_FORMAT, "line 3, column 1: expected rows behind the names" },
    /* fields too few and too many */
    { "a,b,c\n1,2\n", 0, NULL, BP_ERR_FORMAT, "line 2, column 4: expected 3 fields, as the first line has, found 2" },
    { "a,b,c\n1,2,3\n4,5,6,7\n", 0, NULL, BP_ERR_FORMAT,
      "line 3, column 7: expected 3 fields, as the first line has, found 4" },
    { "a,b\n1,2,\n", 0, NULL, BP_ERR_FORMAT, "line 2, column 5: expected 2 fields, as the first line has, found 3" },
    { "a,b\n1\n", 0, NULL, BP_ERR_FORMAT, "line 2, column 2: expected 2 fields, as the first line has, found 1" },
    { "a\n1,2\n", 0, &no_targets, BP_ERR_FORMAT, "line 2, column 3: expected 1 field, as the first line has, found 2" },
    { "1,2\n1,2,3,4,5\n", 0, &no_header, BP_ERR_FORMAT,
      "line 2, column 5: expected 2 fields, as the first line has, found 5" },
    { "a,b,\n1,2\n", 0, NULL, BP_ERR_FORMAT, "line 2, column 4: expected 3 fields, as the first line has, found 2" },
    { "a,b\n\"1\n\n2\",3\n4\n", 0, NULL, BP_ERR_FORMAT,
      "line 2, column 1: field 1 ('a'): expected a number, found '1\\x0A\\x0A2'" },
    { "a\tb\n1,2\n", 0, &tabs, BP_ERR_FORMAT, "line 2, column 4: expected 2 fields, as the first line has, found 1" },
    { "a b\n1  2\n", 0, &spaces, BP_ERR_FORMAT, "line 2, column 4: expected 2 fields, as the first line has, found 3" },
    /* blank lines that are not the last ones */
    { "\na,b\n1,2\n", 0, NULL, BP_ERR_FORMAT,
      "line 1, column 1: a blank line: expected such only at the end, found line 2 behind it" },
    { "a,b\n\n1,2\n", 0, NULL, BP_ERR_FORMAT, "line 2, column 1: a blank line" },
    { "a,b\n1,2\n\n\n3,4\n", 0, NULL, BP_ERR_FORMAT,
      "line 3, column 1: a blank line: expected such only at the end, found line 5" },
    { "a\n1\n\n2\n", 0, &no_targets, BP_ERR_FORMAT, "line 3, column 1: a blank line" },
    { "a,b\n1,2\n  \n,\n", 0, NULL, BP_ERR_FORMAT, "line 3, column 1: a blank line" },
    /* quotes */
    { "\"a,b\n1,2\n", 0, NULL, BP_ERR_FORMAT,
      "line 1, column 1: the quote that opens here is never closed: expected another before the end, at line 3, column 1" },
    { "a,b\n1,\"2\n3,4\n", 0, NULL, BP_ERR_FORMAT, "line 2, column 3: the quote that opens here is never closed" },
    { "a,b\n1,\"2\"\"\n", 0, NULL, BP_ERR_FORMAT, "line 2, column 3: the quote that opens here is never closed" },
    { "a,b\n1,\"", 0, NULL, BP_ERR_FORMAT, "line 2, column 3: the quote that opens here is never closed" },
    { "a,b\n1,  \"2", 0, NULL, BP_ERR_FORMAT, "line 2, column 5: the quote that opens here" },
    { "a,b\n\"1\"2,3\n", 0, NULL, BP_ERR_FORMAT,
      "line 2, column 4: behind the quote that closes a field: expected ',' or the end of the line, found '2'" },
    { "a,b\n\"1\" x,3\n", 0, NULL, BP_ERR_FORMAT, "line 2, column 5: behind the quote that closes a field" },
    { "a,b\n\"1\" \"2\",3\n", 0, NULL, BP_ERR_FORMAT, "line 2, column 5: behind the quote that closes a field" },
    { "a\tb\n\"1\",3\t4\n", 0, &tabs, BP_ERR_FORMAT,
      "line 2, column 4: behind the quote that closes a field: expected '\\x09' or" },
    { "a,b\n1\",2\n", 0, NULL, BP_ERR_FORMAT,
      "line 2, column 2: found a quote inside a field that does not begin with one" },
    { "a,b\n1,2\"3\"\n", 0, NULL, BP_ERR_FORMAT, "line 2, column 4: found a quote inside a field" },
    { "a\"b,c\n1,2\n", 0, NULL, BP_ERR_FORMAT, "line 1, column 2: found a quote inside a field" },
    { "\xC3\xA4,\xC3\xB6\"\n1,2\n", 0, NULL, BP_ERR_FORMAT, "line 1, column 4: found a quote inside a field" },
    /* no numbers */
    { "a,b\n1,x\n", 0, NULL, BP_ERR_FORMAT, "line 2, column 3: field 2 ('b'): expected a number, found 'x'" },
    { "a,b\n1,2\n  y  ,2\n", 0, NULL, BP_ERR_FORMAT, "line 3, column 3: field 1 ('a'): expected a number, found 'y'" },
    { "a,b\n1,2\n", 0, &no_header, BP_ERR_FORMAT, "line 1, column 1: field 1: expected a number, found 'a'" },
    { "a;b\n1,5;2\n", 0, &semicolons, BP_ERR_FORMAT, "line 2, column 1: field 1 ('a'): expected a number, found '1,5'" },
    { "a,b\n1 2,3\n", 0, NULL, BP_ERR_FORMAT, "expected a number, found '1 2'" },
    { "a,b\n\" 1\",3\n", 0, NULL, BP_ERR_FORMAT, "expected a number, found ' 1'" },
    { "a,b\n0x10,3\n", 0, NULL, BP_ERR_FORMAT, "expected a number, found '0x10'" },
    { "a,b\n1e,3\n", 0, NULL, BP_ERR_FORMAT, "expected a number, found '1e'" },
    { "a,b\n$3,3\n", 0, NULL, BP_ERR_FORMAT, "expected a number, found '$3'" },
    { "a,b\n50%,3\n", 0, NULL, BP_ERR_FORMAT, "expected a number, found '50%'" },
    { "a,b\ntrue,3\n", 0, NULL, BP_ERR_FORMAT, "expected a number, found 'true'" },
    { "a,b\n\x1b[2J,3\n", 0, NULL, BP_ERR_FORMAT, "expected a number, found '\\x1B[2J'" },
    { "a,b\nxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx,3\n", 0, NULL, BP_ERR_FORMAT,
      "found 'xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx...'" },
    { "\"a very long name of a column, which sentences do not show in full\",b\nx,3\n", 0, NULL, BP_ERR_FORMAT,
      "field 1 ('a very long name of a column, which sent...')" },
    /* numbers out of range */
    { "a,b\n1e999,3\n", 0, NULL, BP_ERR_NONFINITE,
      "line 2, column 1: field 1 ('a'): expected a number that is not too large, found '1e999'" },
    { "a,b\n3,-1e400\n", 0, NULL, BP_ERR_NONFINITE,
      "line 2, column 3: field 2 ('b'): expected a number that is not too large" },
    { "a,b\ninf,3\n", 0, NULL, BP_ERR_NONFINITE, "line 2, column 1: field 1 ('a'): expected a finite number, found 'inf'" },
    { "a,b\n3,-Infinity\n", 0, NULL, BP_ERR_NONFINITE,
      "line 2, column 3: field 2 ('b'): expected a finite number, found '-Infinity'" },
    { "a,b\n-nan,3\n", 0, NULL, BP_ERR_NONFINITE, "expected a finite number, found '-nan'" },
    /* missing numbers */
    { "a,b\n,3\n", 0, NULL, BP_ERR_FORMAT, "line 2, column 1: field 1 ('a') is missing: expected a number, found nothing" },
    { "a,b\n1,2\n\"\",3\n", 0, NULL, BP_ERR_FORMAT,
      "line 3, column 1: field 1 ('a') is missing: expected a number, found nothing" },
    { "a,b\nNA,3\n", 0, NULL, BP_ERR_FORMAT, "line 2, column 1: field 1 ('a') is missing: expected a number, found 'NA'" },
    { "a,b\n ? ,3\n", 0, NULL, BP_ERR_FORMAT, "line 2, column 2: field 1 ('a') is missing: expected a number, found '?'" },
    { "a,b\nNaN,3\n", 0, NULL, BP_ERR_FORMAT,
      "line 2, column 1: field 1 ('a') is missing: expected a number, found 'NaN'" },
    { "1,\n", 0, &no_header, BP_ERR_FORMAT,
      "line 1, column 3: field 2 is missing: expected a number, since targets cannot be filled in, found nothing" },
    { "a,b\n1,\n", 0, &(const bp_csv_config){ .missing = BP_CSV_MEAN }, BP_ERR_FORMAT,
      "line 2, column 3: field 2 ('b') is missing: expected a number, since targets cannot be filled in" },
    { "a,b\n,1\n,2\n", 0, &(const bp_csv_config){ .missing = BP_CSV_MEAN }, BP_ERR_FORMAT,
      "line 4, column 1: field 1 ('a'): expected a number up to here to take the mean of, found none" },
    { "a,b\n1,\n", 0, &classes, BP_ERR_FORMAT,
      "line 2, column 3: field 2 ('b') is missing: expected the name of a class, found nothing" },
    { "a,b\n1,\"\"\n", 0, &classes, BP_ERR_FORMAT,
      "line 2, column 3: field 2 ('b') is missing: expected the name of a class" },
    /* bytes that are no text */
    { "a,b\n1,\0\n", 8, NULL, BP_ERR_FORMAT, "line 2, column 3: found a NUL byte" },
    { "\0", 1, NULL, BP_ERR_FORMAT, "line 1, column 1: found a NUL byte" },
    { "a,b\n\"1\0", 7, NULL, BP_ERR_FORMAT, "line 2, column 3: found a NUL byte" },
    { "a,b\n1,2\n\0", 9, NULL, BP_ERR_FORMAT, "line 3, column 1: found a NUL byte" },
    { "a,b\n1,2\n\"3\"\0", 12, NULL, BP_ERR_FORMAT, "line 3, column 4: found a NUL byte" },
    { "a,b\n1,2\n\n\0", 10, NULL, BP_ERR_FORMAT, "line 4, column 1: found a NUL byte" },
    { "\xFF\xFE"
      "a\0,\0b\0",
      8, NULL, BP_ERR_FORMAT, "line 1, column 4: found a NUL byte" },
    { "\xFF,b\n1,2\n\xFE,3\n", 0, NULL, BP_ERR_FORMAT,
      "line 3, column 1: field 1 ('\\xFF'): expected a number, found '\\xFE'" },
    /* columns that do not suit the settings */
    { "a\n1\n", 0, NULL, BP_ERR_SHAPE,
      "line 1, column 1: expected inputs and targets, found a single field; is ',' what separates fields?" },
    { "a;b;c\n1;2;3\n", 0, &tabs, BP_ERR_SHAPE, "found a single field; is '\\x09' what separates fields?" },
    { "1\n", 0, &no_header, BP_ERR_SHAPE, "line 1, column 1: expected inputs and targets, found a single field" },
};

static void what_is_malformed_is_refused_with_its_place(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(malformed); i++) {
        const size_t n = malformed[i].n > 0 ? malformed[i].n : strlen(malformed[i].text);
        for (size_t way = 0; way < COUNT(ways); way++)
            assert_refused(ways[way], malformed[i].text, n, malformed[i].config, malformed[i].status,
                           malformed[i].sentence);
    }
}

static void columns_that_are_not_there_are_refused(void **state)
{
    (void)state;
    static const char text[] = "a,b,c,b\n1,2,3,4\n";
    const bp_csv_column wanted[] = { { .name = "x" },        { .name = "A" }, { .name = "b" }, { .number = 5 },
                                     { .number = SIZE_MAX }, { .name = "" },  { .name = "a" }, { .number = 1 } };
    static const char *const sentences[] = {
        "targets[0] is 'x': expected the name of a column, found 4 others, from field 1 ('a') to field 4 ('b')",
        "line 1, column 1: targets[0] is 'A': expected the name of a column",
        "line 1, column 7: targets[0]: expected one column of that name, found field 2 ('b') and field 4 ('b')",
        "line 1, column 1: targets[0] is column number 5: expected one of the 4 that there are",
        "targets[0] is column number 18446744073709551615: expected one of the 4",
        "targets[0] is '': expected the name of a column",
    };
    for (size_t i = 0; i < COUNT(sentences); i++)
        if (i != 4 || SIZE_MAX == UINT64_MAX)
            assert_refused(read_from_memory, text, sizeof text - 1,
                           &(bp_csv_config){ .targets = &wanted[i], .n_targets = 1 }, BP_ERR_ARGUMENT, sentences[i]);

    assert_refused(read_from_memory, text, sizeof text - 1, &(bp_csv_config){ .targets = &wanted[6], .n_targets = 2 },
                   BP_ERR_ARGUMENT,
                   "targets[1]: expected a column that is not yet a target or ignored, found field 1 ('a') again");
    assert_refused(read_from_memory, text, sizeof text - 1, &(bp_csv_config){ .ignored = wanted, .n_ignored = 1 },
                   BP_ERR_ARGUMENT, "ignored[0] is 'x'");
    assert_refused(read_from_memory, "1,2\n", 4,
                   &(bp_csv_config){ .no_header = true, .ignored = &wanted[3], .n_ignored = 1 }, BP_ERR_ARGUMENT,
                   "line 1, column 1: ignored[0] is column number 5: expected one of the 2 that there are");
    const bp_csv_column both[] = { { .number = 1 }, { .number = 2 } };
    assert_refused(read_from_memory, "1,2\n", 4, &(bp_csv_config){ .no_header = true, .ignored = both, .n_ignored = 2 },
                   BP_ERR_ARGUMENT,
                   "ignored[1]: expected a column that is not yet a target or ignored, found field 2 again");
    assert_refused(read_from_memory, "1,2\n", 4, &(bp_csv_config){ .no_header = true, .ignored = both, .n_ignored = 1 },
                   BP_ERR_SHAPE, "expected columns for the inputs, found all 2 to be targets or ignored");
    const bp_real fill[] = { 1, 2 };
    assert_refused(read_from_memory, "1,2\n", 4,
                   &(bp_csv_config){ .no_header = true, .missing = BP_CSV_FILL, .fill = fill, .n_fill = 2 }, BP_ERR_SHAPE,
                   "line 1, column 1: n_fill is 2: expected 1, one number for each input");
}

/* ---- settings ---------------------------------------------------------------------------------------------------- */

static const bp_csv_column one_and_two[] = { { .number = 1 }, { .number = 2 } }, neither[] = { { NULL, 0 } },
                           name_and_number[] = { { "a", 1 } };
static const bp_csv_column named[] = { { .number = 1 }, { .name = "a" } };
static const char *const three_names[] = { "a", "b", "a" }, *const with_null[] = { "a", NULL };
static const bp_real two_numbers[] = { 1, (bp_real)INFINITY };

static const struct {
    bp_csv_config config;
    bp_status status;
    const char *sentence;
} senseless[] = {
    { { .separator = '"' }, BP_ERR_ARGUMENT, "separator: expected a character of ASCII that is no letter" },
    { { .separator = '\n' }, BP_ERR_ARGUMENT, "found '\\x0A'" },
    { { .separator = '\r' }, BP_ERR_ARGUMENT, "found '\\x0D'" },
    { { .separator = '.' }, BP_ERR_ARGUMENT, "found '.'" },
    { { .separator = '+' }, BP_ERR_ARGUMENT, "found '+'" },
    { { .separator = '-' }, BP_ERR_ARGUMENT, "found '-'" },
    { { .separator = '0' }, BP_ERR_ARGUMENT, "found '0'" },
    { { .separator = '9' }, BP_ERR_ARGUMENT, "found '9'" },
    { { .separator = 'e' }, BP_ERR_ARGUMENT, "found 'e'" },
    { { .separator = 'Z' }, BP_ERR_ARGUMENT, "found 'Z'" },
    { { .separator = (char)0xA7 }, BP_ERR_ARGUMENT, "found '\\xA7'" },
    { { .targets = one_and_two }, BP_ERR_ARGUMENT, "n_targets is 0, but targets is not NULL" },
    { { .n_targets = 1 }, BP_ERR_ARGUMENT, "n_targets is 1, but targets is NULL" },
    { { .ignored = one_and_two }, BP_ERR_ARGUMENT, "n_ignored is 0, but ignored is not NULL" },
    { { .targets = neither, .n_targets = 1 },
      BP_ERR_ARGUMENT,
      "targets[0]: expected a name or a number from 1 on, found neither" },
    { { .ignored = name_and_number, .n_ignored = 1 },
      BP_ERR_ARGUMENT,
      "ignored[0]: expected a name or a number from 1 on, found both" },
    { { .no_header = true, .targets = named, .n_targets = 2 },
      BP_ERR_ARGUMENT,
      "targets[1] is the name 'a': expected a number, as no_header" },
    { { .no_targets = true, .targets = one_and_two, .n_targets = 1 },
      BP_ERR_ARGUMENT,
      "no_targets is set, and targets are given" },
    { { .no_targets = true, .classes = true }, BP_ERR_ARGUMENT, "no_targets is set, and classes is too" },
    { { .classes = true, .targets = one_and_two, .n_targets = 2 },
      BP_ERR_ARGUMENT,
      "n_targets is 2: expected 1, since classes is set" },
    { { .class_names = three_names, .n_classes = 2 }, BP_ERR_ARGUMENT, "class_names are given, but classes is not set" },
    { { .classes = true, .class_names = three_names }, BP_ERR_ARGUMENT, "n_classes is 0, but class_names is not NULL" },
    { { .classes = true, .n_classes = 1 }, BP_ERR_ARGUMENT, "n_classes is 1, but class_names is NULL" },
    { { .classes = true, .class_names = with_null, .n_classes = 2 }, BP_ERR_ARGUMENT, "class_names[1] is NULL" },
    { { .classes = true, .class_names = three_names, .n_classes = 3 },
      BP_ERR_ARGUMENT,
      "class_names[0] and class_names[2]: expected different names" },
    { { .classes = true, .class_names = three_names, .n_classes = BP_CSV_MAX_CLASSES + 1 },
      BP_ERR_TOO_LARGE,
      "n_classes is 65537: expected at most 65536" },
    { { .missing = (bp_csv_missing)4 }, BP_ERR_ARGUMENT, "missing is 4: expected a value of bp_csv_missing" },
    { { .missing = (bp_csv_missing)-1 }, BP_ERR_ARGUMENT, "missing is -1" },
    { { .constant = (bp_real)NAN }, BP_ERR_NONFINITE, "constant is " },
    { { .missing = BP_CSV_FILL }, BP_ERR_ARGUMENT, "fill is not given, but missing is BP_CSV_FILL" },
    { { .missing = BP_CSV_MEAN, .fill = two_numbers, .n_fill = 1 },
      BP_ERR_ARGUMENT,
      "fill is given, but missing is not BP_CSV_FILL" },
    { { .missing = BP_CSV_FILL, .fill = two_numbers }, BP_ERR_ARGUMENT, "n_fill is 0, but fill is not NULL" },
    { { .missing = BP_CSV_FILL, .fill = two_numbers, .n_fill = 2 },
      BP_ERR_NONFINITE,
      "fill[1] is inf: expected a finite number" },
    { { .missing_marks = three_names }, BP_ERR_ARGUMENT, "n_missing_marks is 0, but missing_marks is not NULL" },
    { { .missing_marks = with_null, .n_missing_marks = 2 }, BP_ERR_ARGUMENT, "missing_marks[1] is NULL" },
};

static void settings_that_make_no_sense_are_refused(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(senseless); i++)
        for (size_t way = 0; way < COUNT(ways); way++)
            assert_refused(ways[way], "a,b,c\n1,2,3\n", 12, &senseless[i].config, senseless[i].status,
                           senseless[i].sentence);
}

/* Functions have other names in single precision, from the third letter on the same. */
static void assert_says(const char *text)
{
    if (strstr(bp_error_message(), text) == NULL)
        fail_msg("\"%s\" has no \"%s\"", bp_error_message(), text);
}

static void null_arguments_and_half_an_allocator_are_refused(void **state)
{
    (void)state;
    bp_csv csv;
    assert_int_equal(bp_csv_read(NULL, "x", NULL), BP_ERR_ARGUMENT);
    assert_says("csv_read: csv is NULL");
    assert_int_equal(bp_csv_read(&csv, NULL, NULL), BP_ERR_ARGUMENT);
    assert_says("csv_read: path is NULL");
    assert_int_equal(bp_csv_read_memory(NULL, "x", 1, NULL), BP_ERR_ARGUMENT);
    assert_says("csv_read_memory: csv is NULL");
    memset(&csv, 0xA5, sizeof csv);
    assert_int_equal(bp_csv_read_memory(&csv, NULL, 1, NULL), BP_ERR_ARGUMENT);
    assert_says("csv_read_memory: bytes is NULL");
    assert_zeroed(&csv);

    struct test_heap heap;
    test_heap_init(&heap);
    const bp_allocator half = { .alloc = heap.allocator.alloc };
    assert_int_equal(bp_csv_read_memory(&csv, "a,b\n1,2\n", 8, &(bp_csv_config){ .allocator = &half }), BP_ERR_ARGUMENT);
    assert_says("csv_read_memory: the allocator has alloc but no release; it needs both functions or neither");
    assert_int_equal(bp_csv_read(&csv, "x", &(bp_csv_config){ .allocator = &half }), BP_ERR_ARGUMENT);
    assert_says("csv_read: the allocator");
    assert_zeroed(&csv);
    bp_csv_free(NULL);
}

static void a_file_that_is_not_there_is_an_io_error(void **state)
{
    (void)state;
    bp_csv csv;
    memset(&csv, 0xA5, sizeof csv);
    assert_int_equal(bp_csv_read(&csv, "no/such/file.csv", NULL), BP_ERR_IO);
    assert_non_null(strstr(bp_error_message(), "no/such/file.csv: cannot be opened: no such file"));
    assert_zeroed(&csv);
}

static void sentences_begin_with_the_name_of_the_file(void **state)
{
    (void)state;
    const char *path = test_file("a,b\n1,x\n", 8);
    bp_csv csv;
    assert_int_equal(bp_csv_read(&csv, path, NULL), BP_ERR_FORMAT);
    char expected[2048];
    (void)snprintf(expected, sizeof expected, "%s: line 2, column 3: field 2 ('b'): expected a number, found 'x'", path);
    assert_string_equal(bp_error_message(), expected);
    assert_int_equal(remove(path), 0);
}

static void a_struct_that_was_moved_is_freed_like_any_other(void **state)
{
    (void)state;
    struct test_heap heap;
    test_heap_init(&heap);
    bp_csv csv;
    assert_int_equal(bp_csv_read_memory(&csv, "a,b\n1,2\n", 8, &(bp_csv_config){ .allocator = &heap.allocator }), BP_OK);
    bp_csv moved = csv;
    memset(&csv, 0xA5, sizeof csv);
    assert_true(moved.X[0] == 1 && *(const bp_real *)moved.data.T.data == 2);
    bp_csv_free(&moved);
    bp_csv_free(&moved); /* zeroed by the first call */
    assert_true(test_heap_is_clean(&heap));
}

/* ---- limits and memory ------------------------------------------------------------------------------------------- */

static struct test_bytes repeat(const char *before, const char *part, size_t n, const char *behind)
{
    struct test_bytes text = { 0 };
    test_bytes_append_text(&text, before);
    for (size_t i = 0; i < n; i++)
        test_bytes_append_text(&text, part);
    test_bytes_append_text(&text, behind);
    return text;
}

static void too_many_columns_are_refused(void **state)
{
    (void)state;
    struct test_bytes text = repeat("", ",", BP_CSV_MAX_COLUMNS, "\n");
    assert_refused(read_from_memory, text.data, text.n, NULL, BP_ERR_TOO_LARGE,
                   "line 1, column 1048577: expected at most 1048576 fields, found more");
    test_bytes_clear(&text);

    text = repeat("", "1,", BP_CSV_MAX_COLUMNS - 1, "1\n");
    bp_csv csv;
    assert_int_equal(bp_csv_read_memory(&csv, text.data, text.n, &no_header), BP_OK);
    assert_int_equal(csv.n_in, BP_CSV_MAX_COLUMNS - 1);
    bp_csv_free(&csv);
    test_bytes_clear(&text);
}

static void too_many_classes_are_refused(void **state)
{
    (void)state;
    struct test_bytes text = { 0 };
    for (size_t i = 0; i <= BP_CSV_MAX_CLASSES; i++)
        put(&text, "1,%zx\n", i);
    const bp_csv_config config = { .no_header = true, .classes = true };
    assert_refused(read_from_memory, text.data, text.n, &config, BP_ERR_TOO_LARGE,
                   "expected at most 65536 classes up to here, found 65537; does the column name classes?");
    bp_csv csv;
    text.n -= strlen("1,10000\n"); /* the last one */
    assert_int_equal(bp_csv_read_memory(&csv, text.data, text.n, &config), BP_OK);
    assert_int_equal(csv.n_classes, BP_CSV_MAX_CLASSES);
    assert_int_equal(csv.labels[BP_CSV_MAX_CLASSES - 1], BP_CSV_MAX_CLASSES - 1);
    bp_csv_free(&csv);
    test_bytes_clear(&text);
}

/* What reading takes beside the values: 16 KiB of a file, and 1 KiB for each of some arrays that begin to grow. */
#define OVERHEAD ((size_t)80 * 1024)

/* Takes the text whether or not it is right. */
static size_t peak_of(const struct test_bytes *text, const bp_csv_config *config)
{
    struct test_heap heap;
    test_heap_init(&heap);
    bp_csv_config settings = *config;
    settings.allocator = &heap.allocator;
    bp_csv csv;
    (void)bp_csv_read_memory(&csv, text->data, text->n, &settings);
    bp_csv_free(&csv);
    assert_true(test_heap_is_clean(&heap));
    return heap.peak_bytes;
}

static void memory_is_as_the_bytes_justify(void **state)
{
    (void)state;
    const bp_csv_config fill = { .no_header = true, .no_targets = true, .missing = BP_CSV_CONSTANT };
    const bp_csv_config refuse = { .no_header = true, .no_targets = true };
    const bp_csv_config labels = { .no_header = true, .classes = true };
    const struct {
        const char *before, *part, *behind;
        const bp_csv_config *config;
        size_t factor;
    } cases[] = {
        { "", ",", "\n", &fill, 100 }, /* one row of nothing */
        { "", ",", "", &refuse, 100 },
        { "", ",\n", "", &fill, 100 }, /* many of them */
        { "", ",,,,,,,,,,,,,,,,\n", "", &fill, 30 },
        { "", "1\n", "", &refuse, 12 }, /* the shortest numbers */
        { "", "1,2,3,4\n", "", &refuse, 12 },
        { "", "0.123,0.456,0.789,10.25\n", "", &refuse, 5 },
        { "", "1,a\n", "", &labels, 21 },    /* the shortest labels */
        { "\"", "x", "\",1\n", &labels, 4 }, /* one long field */
        { "\"", "\n", "", &refuse, 4 },      /* a quote that is never closed */
        { "1\n", "\n", "2\n", &refuse, 1 },  /* blank lines */
    };
    for (size_t i = 0; i < COUNT(cases); i++)
        for (size_t n = 1000; n <= 200000; n = n * 5 / 3) {
            struct test_bytes text = repeat(cases[i].before, cases[i].part, n, cases[i].behind);
            const size_t peak = peak_of(&text, cases[i].config);
            if (peak > cases[i].factor * text.n + OVERHEAD)
                fail_msg("case %zu: %zu bytes of text, %zu of memory: %g times", i, text.n, peak,
                         (double)peak / (double)text.n);
            test_bytes_clear(&text);
        }
}

/* For n = 1, 2, ... the n-th allocation fails, until none is left to fail. Returns how many there are. */
static size_t assert_every_failed_allocation_is_survived(read_function *read, const struct test_bytes *text,
                                                         const bp_csv_config *config)
{
    for (size_t fail_at = 1;; fail_at++) {
        struct test_heap heap;
        test_heap_init(&heap);
        heap.fail_at = fail_at;
        bp_csv_config settings = *config;
        settings.allocator = &heap.allocator;
        bp_csv csv;
        memset(&csv, 0xA5, sizeof csv);
        const bp_status status = read(&csv, text->data, text->n, &settings);
        if (heap.n_failed == 0) {
            assert_int_equal(status, BP_OK);
            bp_csv_free(&csv);
            assert_true(test_heap_is_clean(&heap));
            return fail_at - 1;
        }
        assert_int_equal(status, BP_ERR_MEMORY);
        assert_non_null(strstr(bp_error_message(), "no memory"));
        assert_zeroed(&csv);
        assert_true(test_heap_is_clean(&heap));
    }
}

static void a_failed_allocation_is_an_error_and_leaves_nothing_behind(void **state)
{
    (void)state;
    const char *const names[] = { "yes", "no" };
    const bp_csv_config settings[] = {
        { .classes = true, .missing = BP_CSV_MEAN },
        { .classes = true, .class_names = names, .n_classes = 2, .missing = BP_CSV_CONSTANT }
    };
    struct test_bytes text = repeat("\"a name\",b\n", "1.5,yes\n,no\n2,\"yes\"\n", 500, "");
    struct test_bytes wide = repeat("", "1,", 3000, "yes\n");
    for (size_t i = 0; i < COUNT(settings); i++) {
        bp_csv_config rows_only = settings[i];
        rows_only.no_header = true;
        assert_true(assert_every_failed_allocation_is_survived(read_from_memory, &text, &settings[i]) > 12);
        assert_true(assert_every_failed_allocation_is_survived(read_from_path, &text, &settings[i]) > 13);
        assert_true(assert_every_failed_allocation_is_survived(read_from_memory, &wide, &rows_only) > 12);
    }
#ifdef BACKPROP_HAVE_ZLIB
    struct test_bytes gzip = test_bytes_gzip(text.data, text.n);
    assert_true(assert_every_failed_allocation_is_survived(read_from_memory, &gzip, &settings[0]) > 15);
    assert_true(assert_every_failed_allocation_is_survived(read_from_path, &gzip, &settings[0]) > 16);
    test_bytes_clear(&gzip);
#endif
    test_bytes_clear(&text);
    test_bytes_clear(&wide);
}

/* ---- damage ------------------------------------------------------------------------------------------------------ */

/* One of everything. */
static const char specimen[] = "\xEF\xBB\xBFid, \"first, or \"\"x\"\"\",second,\"two\nlines\",class\r\n"
                               "A,1.5,-2e-3,NA,\"r\xC3\xB6t\"\r\n"
                               "\"B\",,4, 5 ,gr\xC3\xBCn\n"
                               "C,\"6\",7.25e+1,?,\"a \"\"quoted\"\" one\"\n"
                               "D,0.1,100000000000000000000000000,9,r\xC3\xB6t\r\n\r\n";

static const bp_csv_column specimen_ignored[] = { { .name = "id" } };
static const bp_csv_config specimen_config = {
    .ignored = specimen_ignored, .n_ignored = 1, .classes = true, .missing = BP_CSV_MEAN
};

static void the_specimen_is_right(void **state)
{
    (void)state;
    assert_reads(specimen, sizeof specimen - 1, &specimen_config,
                 "first, or \"x\",second,two\nlines>class|1.5,-0.002,7>#2|2.53333,4,5>#1|6,72.5,7>#0|0.1,1e+26,9>#2"
                 "{a \"quoted\" one,gr\xC3\xBCn,r\xC3\xB6t}[2.53333,2.5e+25,7;3]");
}

/* Whatever it says: no leak, nothing left behind, and what is read holds together. */
static void assert_harmless(const void *bytes, size_t n, const bp_csv_config *config)
{
    static const bp_status possible[] = { BP_ERR_ARGUMENT, BP_ERR_SHAPE, BP_ERR_NONFINITE, BP_ERR_TARGET, BP_ERR_FORMAT };
    struct test_heap heap;
    test_heap_init(&heap);
    bp_csv_config settings = *config;
    settings.allocator = &heap.allocator;
    bp_csv csv;
    memset(&csv, 0xA5, sizeof csv);
    const bp_status status = read_from_memory(&csv, bytes, n, &settings);
    if (status == BP_OK) {
        assert_dataset(&csv);
        assert_int_equal(heap.live_blocks, 1);
        struct test_bytes text = { 0 };
        dump(&csv, &text); /* touches all of it */
        test_bytes_clear(&text);
        bp_csv_free(&csv);
    } else {
        bool is_possible = false;
        for (size_t i = 0; i < COUNT(possible); i++)
            is_possible |= status == possible[i];
        assert_true(is_possible);
        assert_zeroed(&csv);
        assert_true(strlen(bp_error_message()) > 10);
    }
    assert_true(test_heap_is_clean(&heap));
    assert_true(heap.peak_bytes <= 100 * n + OVERHEAD);
}

static void a_file_cut_short_at_any_byte_does_no_harm(void **state)
{
    (void)state;
    for (size_t n = 0; n < sizeof specimen; n++)
        assert_harmless(specimen, n, &specimen_config);
}

static void random_damage_does_no_harm(void **state)
{
    (void)state;
    static const char alphabet[] = ",\"\n\r \t;0123456789.e+-NAn?aB";
    static const char *const names[] = { "r\xC3\xB6t", "gr\xC3\xBCn", "a \"quoted\" one" };
    const bp_csv_config settings[] = {
        specimen_config,
        { .ignored = specimen_ignored, .n_ignored = 1, .classes = true, .class_names = names, .n_classes = 3 },
        { .no_header = true, .classes = true, .missing = BP_CSV_CONSTANT },
        { .no_targets = true, .missing = BP_CSV_CONSTANT, .separator = ' ' },
    };
    static const char numbers[] = "a,b,c\n1,2,3\n4.5,-6e7,.8\n\"9\",10.,11\n";
    uint64_t seed = 20240229;
    for (int i = 0; i < 10000; i++) {
        struct test_bytes text = { 0 };
        if (i % 3 == 0)
            test_bytes_append_text(&text, numbers);
        else
            test_bytes_append(&text, specimen, sizeof specimen - 1);
        test_bytes_mutate(&text, &seed, alphabet);
        if (i % 3 == 0)
            assert_harmless(text.data, text.n, &(bp_csv_config){ .no_header = i % 2 == 0 });
        else
            assert_harmless(text.data, text.n, &settings[i % (int)COUNT(settings)]);
        test_bytes_clear(&text);
    }
}

/* ---- gzip -------------------------------------------------------------------------------------------------------- */

#ifndef BACKPROP_HAVE_ZLIB

static void gzip_is_said_to_be_unsupported(void **state)
{
    (void)state;
    assert_refused(read_from_memory, "\x1f\x8b\x08", 3, NULL, BP_ERR_UNSUPPORTED, "no zlib");
}

#else

static void gzipped_tables_are_read_and_damage_is_found(void **state)
{
    (void)state;
    static const char text[] = "a,b\n1,2\n3,4\n";
    struct test_bytes gzip = test_bytes_gzip(text, sizeof text - 1);
    assert_reads(gzip.data, gzip.n, NULL, "a>b|1>2|3>4");
    for (size_t n = 2; n < gzip.n; n++)
        for (size_t way = 0; way < COUNT(ways); way++)
            assert_refused(ways[way], gzip.data, n, NULL, BP_ERR_FORMAT, "cut short");
    gzip.data[gzip.n - 8] ^= 1;
    assert_refused(read_from_memory, gzip.data, gzip.n, NULL, BP_ERR_FORMAT, "gzip data damaged");
    test_bytes_clear(&gzip);
}

/* The damage is in the bytes behind a row that is whole. */
static void damage_far_into_gzip_is_found(void **state)
{
    (void)state;
    struct test_bytes text = repeat("a,b\n", "0.123456789,\"5\"\n", 20000, "");
    struct test_bytes gzip = test_bytes_gzip(text.data, text.n);
    for (size_t i = 1; i < 50; i++)
        assert_refused(read_from_memory, gzip.data, gzip.n * i / 50 + 2, NULL, BP_ERR_FORMAT, "cut short");
    test_bytes_clear(&gzip);
    test_bytes_clear(&text);
}

#endif

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_way_to_write_a_table_is_read),
        cmocka_unit_test(quoted_fields_keep_what_is_in_them),
        cmocka_unit_test(separators_and_headers_are_as_the_settings_say),
        cmocka_unit_test(targets_are_the_columns_that_are_named_in_their_order),
        cmocka_unit_test(columns_that_are_ignored_may_hold_anything),
        cmocka_unit_test(classes_are_numbered_in_the_order_of_their_names),
        cmocka_unit_test(classes_that_are_given_keep_their_numbers),
        cmocka_unit_test(what_stands_for_nothing_is_no_class_unless_it_is_among_the_names),
        cmocka_unit_test(one_file_gives_the_next_its_classes_and_what_stands_for_missing_numbers),
        cmocka_unit_test(many_classes_are_sorted),
        cmocka_unit_test(missing_inputs_are_filled_in_as_asked),
        cmocka_unit_test(marks_say_what_is_missing),
        cmocka_unit_test(a_mean_is_right_where_the_sum_would_overflow),
        cmocka_unit_test(numbers_become_the_nearest_real),
        cmocka_unit_test(a_large_table_comes_through_unchanged),
        cmocka_unit_test(the_locale_changes_nothing),
        cmocka_unit_test(what_is_malformed_is_refused_with_its_place),
        cmocka_unit_test(columns_that_are_not_there_are_refused),
        cmocka_unit_test(settings_that_make_no_sense_are_refused),
        cmocka_unit_test(null_arguments_and_half_an_allocator_are_refused),
        cmocka_unit_test(a_file_that_is_not_there_is_an_io_error),
        cmocka_unit_test(sentences_begin_with_the_name_of_the_file),
        cmocka_unit_test(a_struct_that_was_moved_is_freed_like_any_other),
        cmocka_unit_test(too_many_columns_are_refused),
        cmocka_unit_test(too_many_classes_are_refused),
        cmocka_unit_test(memory_is_as_the_bytes_justify),
        cmocka_unit_test(a_failed_allocation_is_an_error_and_leaves_nothing_behind),
        cmocka_unit_test(the_specimen_is_right),
        cmocka_unit_test(a_file_cut_short_at_any_byte_does_no_harm),
        cmocka_unit_test(random_damage_does_no_harm),
#ifndef BACKPROP_HAVE_ZLIB
        cmocka_unit_test(gzip_is_said_to_be_unsupported),
#else
        cmocka_unit_test(gzipped_tables_are_read_and_damage_is_found),
        cmocka_unit_test(damage_far_into_gzip_is_found),
#endif
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
