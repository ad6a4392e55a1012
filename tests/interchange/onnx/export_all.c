// SPDX-License-Identifier: MIT
/*
 * Writes networks as ONNX files with inputs and the library's outputs, for other programs to compute them too.
 *
 *   export_all FOLDER
 *
 * For each network NAME.onnx, NAME.in and NAME.out (doubles, little-endian, row by row), and a line about it on the standard
 * output: name, activation, element ("f64", "f32"), rows, inputs, outputs, and the greatest difference allowed as a part of the
 * largest output of a row, which counts as the last number of the line where it is less.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "backprop/export_onnx.h"
#include "backprop/names.h"
#include "store/protobuf.h"
#include "support/onnx_case.h"

#define PATH_SIZE 4096

/* What both sides may differ by: the coarser of the two number types. */
static const char *bound_of(bp_element element)
{
    return element == BP_F64 && sizeof(bp_real) == sizeof(double) ? "1e-12" : "1e-5";
}

/*
 * What numbers count as at least: so many that what is lost where they go below the normal range is nothing. BP_GELU_TANH is
 * 1 + tanh by its definition, which has no digits for values far below 1.
 */
static const char *floor_of(bp_activation activation, const char *bound)
{
    if (activation == BP_GELU_TANH)
        return "1";
    return strcmp(bound, "1e-5") == 0 ? "1e-30" : "1e-285";
}

static void write_numbers(const char *path, const bp_real *x, size_t n)
{
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    for (size_t i = 0; i < n; i++) {
        unsigned char bytes[8];
        bpi_protobuf_f64((double)x[i], bytes);
        assert_int_equal(fwrite(bytes, 1, sizeof bytes, file), sizeof bytes);
    }
    assert_int_equal(fclose(file), 0);
}

static void path_of(char path[PATH_SIZE], const char *folder, const char *name, const char *ending)
{
    const int n = snprintf(path, PATH_SIZE, "%s/%s.%s", folder, name, ending);
    assert_true(n > 0 && n < PATH_SIZE);
}

static void write_network(const char *folder, const char *stem, const bp_network *net, bp_activation activation,
                          bp_element element, const bp_real *X, size_t batch)
{
    const char *element_name = element == BP_F64 ? "f64" : "f32";
    const char *precision = sizeof(bp_real) == sizeof(double) ? "double" : "single";
    char name[ONNX_CASE_NAME_SIZE + 32], path[PATH_SIZE];
    (void)snprintf(name, sizeof name, "%s-%s-%s", stem, precision, element_name);
    bp_real *Y = malloc(batch * net->n_out * sizeof *Y);
    assert_non_null(Y);
    onnx_case_predict(net, X, batch, Y);

    path_of(path, folder, name, "onnx");
    assert_int_equal(bp_network_export_onnx(net, path, &(bp_export_onnx_config){ .element = element }), BP_OK);
    path_of(path, folder, name, "in");
    write_numbers(path, X, batch * net->n_in);
    path_of(path, folder, name, "out");
    write_numbers(path, Y, batch * net->n_out);
    printf("%s %s %s %zu %zu %zu %s %s\n", name, bp_activation_name(activation), element_name, batch, net->n_in, net->n_out,
           bound_of(element), floor_of(activation, bound_of(element)));
    free(Y);
}

static void give_names(bp_network *net)
{
    static const char *const classes[] = { "cat", "\"dog\"\n\\", "K\xc3\xa4tzchen", "" };
    static const char *const inputs[] = { "width", "\xe9\xab\x98\xe3\x81\x95", "x\x01" };
    assert_int_equal(bp_network_set_class_names(net, classes), BP_OK);
    assert_int_equal(bp_network_set_input_names(net, inputs), BP_OK);
    assert_int_equal(bp_network_set_metadata(net, "author",
                                             "N\xc3\xb6"
                                             "body"),
                     BP_OK);
}

static void write_case(const char *folder, const struct onnx_case *c)
{
    bp_real X[ONNX_CASE_ROWS * ONNX_CASE_N_IN];
    char name[ONNX_CASE_NAME_SIZE];
    bp_network net;
    onnx_case_name(c, name);
    onnx_case_network(&net, c);
    onnx_case_inputs(X);
    give_names(&net);
    write_network(folder, name, &net, c->activation, BP_F64, X, ONNX_CASE_ROWS);
    write_network(folder, name, &net, c->activation, BP_F32, X, ONNX_CASE_ROWS);
    bp_network_free(&net);
}

/* Rows of one number each, so that the bound is one of each number, however small. */
static void write_tails(const char *folder, bp_activation activation)
{
    bp_real z[ONNX_CASE_N_TAILS];
    char name[ONNX_CASE_NAME_SIZE];
    bp_network net;
    onnx_case_tails(z);
    onnx_case_activation(&net, activation);
    (void)snprintf(name, sizeof name, "%s-tails", bp_activation_name(activation));
    write_network(folder, name, &net, activation, BP_F64, z, ONNX_CASE_N_TAILS);
    write_network(folder, name, &net, activation, BP_F32, z, ONNX_CASE_N_TAILS);
    bp_network_free(&net);
}

static void write_wide(const char *folder)
{
    static bp_real X[ONNX_CASE_WIDE_ROWS * ONNX_CASE_WIDE_N_IN];
    bp_network net;
    onnx_case_wide_inputs(X);
    onnx_case_wide(&net);
    write_network(folder, "wide", &net, BP_SOFTMAX, BP_F64, X, ONNX_CASE_WIDE_ROWS);
    write_network(folder, "wide", &net, BP_SOFTMAX, BP_F32, X, ONNX_CASE_WIDE_ROWS);
    bp_network_free(&net);
}

int main(int argc, char **argv)
{
    if (argc != 2) {
        (void)fprintf(stderr, "usage: export_all FOLDER\n");
        return 2;
    }
    for (size_t i = 0; i < onnx_case_count(); i++) {
        const struct onnx_case c = onnx_case_at(i);
        write_case(argv[1], &c);
    }
    for (bp_activation activation = BP_IDENTITY; activation < BP_CUSTOM_ACTIVATION; activation++)
        write_tails(argv[1], activation);
    write_wide(argv[1]);
    return fflush(stdout) == 0 ? 0 : 1;
}
