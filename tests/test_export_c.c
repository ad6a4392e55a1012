// SPDX-License-Identifier: MIT
/*
 * Networks as C source: compiled by the compilers that there are, with all their warnings, and held to bp_predict().
 *
 * All programs of a test are compiled as one, which includes them: their names tell them apart.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <float.h>
#include <locale.h>
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "backprop.h"
#include "support/bytes.h"
#include "support/c_program.h"
#include "support/heap.h"
#include "support/locale.h"
#include "support/refusal.h"

#define COUNT(array) (sizeof(array) / sizeof(array)[0])
#define R(x) ((bp_real)(x))

enum { ROWS = 5, MOST_LAYERS = 12, MOST_COMPILERS = 8 };

/* ---- Networks -------------------------------------------------------------------------------------------------------- */

/* Centers of about a scale, or of a thousand; or one input of hardly more than 0, or of nearly the largest numbers there are. */
enum scaling { UNSCALED, MODEST, FAR_AWAY, TINY, HUGE_ONE };

/* What a network is like; layers without sizes end it. */
struct kind {
    size_t n_in;
    bp_layer_config layers[MOST_LAYERS];
    enum scaling scaling;
    bool inputs_stay, outputs_stay; /* as they are, where the others are scaled */
    bp_element element;
};

static double uniform(uint64_t *seed, double low, double high)
{
    return low + (high - low) * ((double)(test_random(seed) >> 11) / 9007199254740992.0);
}

static void draw(uint64_t *seed, size_t n, bp_real *values, double low, double high)
{
    for (size_t k = 0; values != NULL && k < n; k++)
        values[k] = R(uniform(seed, low, high));
}

/* Values in the range of a scaling. Numbers that float has as well, so that every program can be given the same ones. */
static double center_of(enum scaling scaling, size_t i)
{
    return scaling == FAR_AWAY ? 1000 + (double)i / 4 : scaling == MODEST ? (double)i / 4 - 0.75 : 0;
}

static double scale_of(enum scaling scaling, size_t i)
{
    if (i == 0 && scaling >= TINY)
        return scaling == TINY ? (double)BP_REAL_MIN / 1024 : (double)BP_REAL_MAX / 4;
    return scaling == UNSCALED ? 1 : 0.5 + (double)(i % 4) / 4;
}

static void set_scaling(bp_network *net, const struct kind *kind)
{
    bp_real *numbers = calloc(2 * (net->n_in + net->n_out), sizeof *numbers);
    assert_non_null(numbers);
    bp_real *in_center = numbers, *in_scale = in_center + net->n_in, *out_center = in_scale + net->n_in,
            *out_scale = out_center + net->n_out;
    for (size_t i = 0; i < net->n_in; i++) {
        in_center[i] = R(center_of(kind->scaling, i));
        in_scale[i] = R(scale_of(kind->scaling, i));
    }
    for (size_t i = 0; i < net->n_out; i++) {
        out_center[i] = R(0.3 + (double)i);
        out_scale[i] = R(2.7);
    }
    const bp_activation last = net->layers[net->n_layers - 1].activation;
    const bool scales_outputs = last != BP_SIGMOID && last != BP_SOFTMAX && !kind->outputs_stay;
    assert_int_equal(bp_network_set_scaling(net, kind->inputs_stay ? NULL : in_center, kind->inputs_stay ? NULL : in_scale,
                                            scales_outputs ? out_center : NULL, scales_outputs ? out_scale : NULL),
                     BP_OK);
    free(numbers);
}

/* A network of that kind in which nothing is 0 or 1 any more. */
static void make_network(bp_network *net, const struct kind *kind, const bp_allocator *allocator)
{
    size_t n_layers = 0;
    while (n_layers < MOST_LAYERS && kind->layers[n_layers].n_out > 0)
        n_layers++;
    const bp_network_config config = {
        .n_in = kind->n_in, .n_layers = n_layers, .layers = kind->layers, .seed = 7, .allocator = allocator
    };
    assert_int_equal(bp_network_init(net, &config), BP_OK);
    uint64_t seed = 11;
    for (size_t l = 0; l < n_layers; l++) {
        const bp_layer *layer = &net->layers[l];
        draw(&seed, layer->n_out, layer->b, -0.5, 0.5);
        draw(&seed, layer->n_out, layer->gamma, 0.5, 1.5);
        draw(&seed, layer->n_out, layer->beta, -0.5, 0.5);
        draw(&seed, layer->n_out, layer->running_mean, -0.5, 0.5);
        draw(&seed, layer->n_out, layer->running_var, 0.5, 2);
    }
    if (kind->scaling != UNSCALED)
        set_scaling(net, kind);
}

static bool is_single(bp_element element)
{
    return element == BP_F32 || (element == BP_REAL && sizeof(bp_real) == sizeof(float));
}

/* ---- A program that includes exported ones, and checks them ----------------------------------------------------------- */

struct checker {
    struct test_folder folder;
    FILE *program;
    struct test_bytes calls; /* of the checks, for main() */
    size_t n;
};

static void begin_checker(struct checker *checker)
{
    *checker = (struct checker){ .n = 0 };
    test_folder_make(&checker->folder);
    checker->program = fopen(test_folder_file(&checker->folder, "all.c"), "w");
    assert_non_null(checker->program);
    assert_true(fputs("#include <stdio.h>\n#include <string.h>\n"
                      "static double not_a_number(void)\n{\n    static volatile double zero;\n    return zero / zero;\n}\n",
                      checker->program) >= 0);
}

static void print_numbers(FILE *file, const char *name, size_t n, const bp_real *values)
{
    (void)fprintf(file, "static const double %s[%zu] = {", name, n);
    for (size_t k = 0; k < n; k++)
        (void)fprintf(file, "%s%a,", k % 8 == 0 ? "\n" : " ", (double)values[k]);
    (void)fprintf(file, "\n};\n");
}

/*
 * A function that gives a program `rows` inputs and compares: 1e-12 of the largest output of the row, 1e-5 where one side is float. And
 * NaNs of both signs, which must come out.
 */
static void print_check(FILE *file, const bp_network *net, const char *prefix, const char *capitals, bool single,
                        bool has_scratch)
{
    const char *type = single ? "float" : "double";
    (void)fprintf(file, "static int check_%s(void)\n{\n    static %s x[%zu], y[%zu];\n", prefix, type, net->n_in,
                  net->n_out);
    if (has_scratch)
        (void)fprintf(file, "    static %s scratch[%s_SCRATCH_SIZE];\n", type, capitals);
    (void)fprintf(
        file,
        "    int failed = %s_self_test();\n    if (failed)\n        printf(\"%s: self-test, row %%d\\n\", failed);\n"
        "    for (int row = 0; row < %d; row++) {\n        double largest = 0;\n"
        "        for (int i = 0; i < %zu; i++)\n            x[i] = (%s)X_%s[row * %zu + i];\n        %s_predict(x, y%s);\n",
        prefix, prefix, ROWS, net->n_in, type, prefix, net->n_in, prefix, has_scratch ? ", scratch" : "");
    (void)fprintf(file,
                  "        for (int k = 0; k < %zu; k++) {\n            const double t = Y_%s[row * %zu + k];\n"
                  "            largest = t > largest ? t : -t > largest ? -t : largest;\n        }\n",
                  net->n_out, prefix, net->n_out);
    (void)fprintf(
        file,
        "        for (int k = 0; k < %zu; k++) {\n"
        "            const double t = Y_%s[row * %zu + k], d = (double)y[k] - t;\n"
        "            if (!((d < 0 ? -d : d) <= %s * largest)) {\n"
        "                printf(\"%s: row %%d, output %%d is %%.17g, expected %%.17g\\n\", row, k, (double)y[k], t);\n"
        "                failed = 1;\n            }\n        }\n    }\n",
        net->n_out, prefix, net->n_out, single || sizeof(bp_real) == sizeof(float) ? "1e-5" : "1e-12", prefix);
    (void)fprintf(
        file,
        "    for (int row = 0; row < 2; row++) {\n        x[0] = (%s)(row == 0 ? not_a_number() : -not_a_number());\n"
        "        %s_predict(x, y%s);\n        for (int k = 0; k < %zu; k++)\n            if (y[k] == y[k]) {\n"
        "                printf(\"%s: output %%d is %%g for a NaN\\n\", k, (double)y[k]);\n                failed = 1;\n"
        "            }\n    }\n    return failed;\n}\n\n",
        type, prefix, has_scratch ? ", scratch" : "", net->n_out, prefix);
}

static void predict(const bp_network *net, const bp_real *X, bp_real *Y)
{
    bp_workspace ws;
    assert_int_equal(bp_workspace_init(&ws, net, ROWS, BP_INFERENCE), BP_OK);
    assert_int_equal(bp_predict(net, &ws, X, ROWS, Y), BP_OK);
    bp_workspace_free(&ws);
}

/* Exports a network and adds it to the program. */
static void add_network(struct checker *checker, const bp_network *net, const struct kind *kind)
{
    char prefix[32], capitals[32], name[64];
    (void)snprintf(prefix, sizeof prefix, "net%zu", checker->n);
    (void)snprintf(capitals, sizeof capitals, "NET%zu", checker->n);
    const bp_export_c_config config = { .prefix = prefix, .element = kind->element };
    assert_int_equal(bp_network_export_c(net, checker->folder.path, &config), BP_OK);
    (void)snprintf(name, sizeof name, "%s.h", prefix);
    struct test_bytes header = test_file_content(test_folder_file(&checker->folder, name));
    test_bytes_append(&header, "", 1);

    bp_real *X = calloc(ROWS * (net->n_in + net->n_out), sizeof *X), *Y = X + ROWS * net->n_in;
    assert_non_null(X);
    uint64_t seed = 5 + checker->n;
    for (size_t k = 0; k < ROWS * net->n_in; k++) {
        const size_t i = k % net->n_in;
        const double x = center_of(kind->scaling, i) + uniform(&seed, -2, 2) * scale_of(kind->scaling, i);
        X[k] = R(is_single(kind->element) ? (float)x : x);
    }
    predict(net, X, Y);

    (void)fprintf(checker->program, "#define %s_SELF_TEST\n#include \"%s.c\"\n", capitals, prefix);
    (void)snprintf(name, sizeof name, "X_%s", prefix);
    print_numbers(checker->program, name, ROWS * net->n_in, X);
    name[0] = 'Y';
    print_numbers(checker->program, name, ROWS * net->n_out, Y);
    print_check(checker->program, net, prefix, capitals, is_single(kind->element),
                strstr((const char *)header.data, "_SCRATCH_SIZE") != NULL);
    (void)snprintf(name, sizeof name, "check_%s() + ", prefix);
    test_bytes_append_text(&checker->calls, name);
    checker->n++;
    free(X);
    test_bytes_clear(&header);
}

static void add_kind(struct checker *checker, const struct kind *kind)
{
    bp_network net;
    make_network(&net, kind, NULL);
    add_network(checker, &net, kind);
    bp_network_free(&net);
}

/* Compiles and runs it all. `more` is a term of main()'s sum of failures, `flags` go to the compiler. */
static void run_checker(struct checker *checker, const char *more, const char *flags)
{
    test_bytes_append(&checker->calls, "", 1);
    (void)fprintf(checker->program, "int main(void)\n{\n    return %s%s == 0 ? 0 : 1;\n}\n",
                  (const char *)checker->calls.data, more);
    assert_int_equal(fclose(checker->program), 0);
    test_bytes_clear(&checker->calls);

    char arguments[64];
    (void)snprintf(arguments, sizeof arguments, "%s all.c", flags);
    struct test_compiler compilers[MOST_COMPILERS];
    const size_t n = test_compilers(compilers, MOST_COMPILERS);
    for (size_t k = 0; k < n; k++) {
        if (!test_compile(&compilers[k], &checker->folder, arguments, "all", true))
            fail_msg("%s does not compile %s/all.c", compilers[k].command, checker->folder.path);
        if (test_run(&checker->folder, "all") != 0)
            fail_msg("%s/all, compiled by %s, finds errors", checker->folder.path, compilers[k].command);
    }
    test_folder_remove(&checker->folder);
    if (n == 0) {
        print_message("no compiler of those from the configuration is here: nothing exported was compiled\n");
        skip();
    }
}

/* ---- The programs compute what the library computes ------------------------------------------------------------------ */

static const bp_element numbers[] = { BP_F64, BP_F32 };

/* Every activation hidden and at the end, with every normalization, with and without scaling. */
static void programs_compute_what_the_library_does(void **state)
{
    (void)state;
    struct checker checker;
    begin_checker(&checker);
    for (int activation = 0; activation < (int)BP_CUSTOM_ACTIVATION; activation++)
        for (int normalization = 0; normalization < (int)BP_N_NORMALIZATIONS; normalization++)
            for (int which = 0; which < 4; which++) {
                const bp_layer_config layer = { .n_out = 5,
                                                .activation = (bp_activation)activation,
                                                .normalization = (bp_normalization)normalization };
                struct kind kind = { .n_in = 4, .layers = { layer, layer }, .element = numbers[which % 2] };
                kind.layers[1].n_out = 3;
                kind.scaling = which / 2 == 0 ? UNSCALED : MODEST;
                add_kind(&checker, &kind);
            }
    run_checker(&checker, "0", "-O0"); /* they are many */
}

/* What is special about the shape or the settings of a network. */
static void special_networks_too(void **state)
{
    (void)state;
    static const struct kind kinds[] = {
        { .n_in = 1, .layers = { { .n_out = 1 } } },
        { .n_in = 1, .layers = { { .n_out = 1, .no_bias = true } } },
        { .n_in = 3, .layers = { { .n_out = 2 } }, .scaling = MODEST },
        { .n_in = 3, .layers = { { .n_out = 2, .no_bias = true } }, .scaling = MODEST, .outputs_stay = true },
        { .n_in = 3, .layers = { { .n_out = 2, .activation = BP_TANH } }, .scaling = MODEST, .inputs_stay = true },
        { .n_in = 4,
          .layers = { { .n_out = 6, .activation = BP_TANH, .no_bias = true }, { .n_out = 1, .activation = BP_SIGMOID } } },
        { .n_in = 4,
          .layers = { { .n_out = 6, .activation = BP_RELU, .normalization = BP_BATCH_NORMALIZATION, .no_bias = true },
                      { .n_out = 4, .normalization = BP_LAYER_NORMALIZATION, .no_bias = true } } },
        { .n_in = 4,
          .layers = { { .n_out = 6, .activation = BP_LEAKY_RELU, .parameter = R(-0.3), .dropout = R(0.5) },
                      { .n_out = 6, .activation = BP_ELU, .parameter = R(2.5), .frozen = true },
                      { .n_out = 3, .activation = BP_SOFTMAX } } },
        { .n_in = 4,
          .layers = { { .n_out = 6, .normalization = BP_LAYER_NORMALIZATION, .epsilon = R(0.1), .activation = BP_SILU },
                      { .n_out = 6, .normalization = BP_BATCH_NORMALIZATION, .epsilon = R(3) },
                      { .n_out = 2, .activation = BP_IDENTITY } },
          .scaling = MODEST },
        { .n_in = 6, .layers = { { .n_out = 8, .activation = BP_TANH }, { .n_out = 2 } }, .scaling = FAR_AWAY },
        { .n_in = 6,
          .layers = { { .n_out = 8, .activation = BP_TANH, .normalization = BP_BATCH_NORMALIZATION }, { .n_out = 2 } },
          .scaling = FAR_AWAY },
        { .n_in = 1, .layers = { { .n_out = 2, .activation = BP_TANH } }, .scaling = FAR_AWAY },
        { .n_in = 3,
          .layers = { { .n_out = 9, .activation = BP_TANH },
                      { .n_out = 4, .activation = BP_TANH },
                      { .n_out = 11, .activation = BP_SINE },
                      { .n_out = 8, .activation = BP_GELU },
                      { .n_out = 9, .activation = BP_MISH },
                      { .n_out = 4, .activation = BP_TANH },
                      { .n_out = 11, .activation = BP_SINE },
                      { .n_out = 8, .activation = BP_GELU },
                      { .n_out = 9, .activation = BP_MISH },
                      { .n_out = 7, .activation = BP_SELU },
                      { .n_out = 4, .activation = BP_SOFTSIGN },
                      { .n_out = 2 } } },
        { .n_in = 16,
          .layers = { { .n_out = 32, .activation = BP_TANH }, { .n_out = 32, .activation = BP_TANH }, { .n_out = 4 } } },
        { .n_in = 784, .layers = { { .n_out = 16, .activation = BP_RELU }, { .n_out = 10, .activation = BP_SOFTMAX } } },
        /* around 16 KiB of scratch in double, then in float */
        { .n_in = 2, .layers = { { .n_out = 2048, .activation = BP_TANH }, { .n_out = 8 } } },
        { .n_in = 2, .layers = { { .n_out = 2049, .activation = BP_TANH }, { .n_out = 8 } } },
        { .n_in = 2,
          .layers = { { .n_out = 2040, .activation = BP_TANH }, { .n_out = 9 }, { .n_out = 20 }, { .n_out = 8 } } },
        { .n_in = 2, .layers = { { .n_out = 4096, .activation = BP_TANH }, { .n_out = 8 } } },
        { .n_in = 2, .layers = { { .n_out = 4090, .activation = BP_TANH }, { .n_out = 7 }, { .n_out = 8 } } },
    };
    struct checker checker;
    begin_checker(&checker);
    for (size_t k = 0; k < COUNT(kinds); k++)
        for (size_t which = 0; which < COUNT(numbers); which++) {
            struct kind kind = kinds[k];
            kind.element = numbers[which];
            add_kind(&checker, &kind);
        }
    run_checker(&checker, "0", "-O2");
}

/*
 * Far out nothing may overflow, and small values keep their digits: each output is a row's largest here. Powers of 2 as weights make
 * z exact, so that the ill-conditioned sine can take part. One unit is left to libm, four are not.
 */
static void programs_agree_in_the_tails(void **state)
{
    (void)state;
    static const double weights[] = { -0x1p-60, 4, -8, 32, -256, 0x1p110 };
    struct checker checker;
    begin_checker(&checker);
    for (int activation = 0; activation < (int)BP_CUSTOM_ACTIVATION; activation++)
        for (size_t k = 0; k < 2 * COUNT(weights); k++) {
            const bp_layer_config layer = { .n_out = k % 2 == 0 ? 1 : 4,
                                            .activation = (bp_activation)activation,
                                            .no_bias = true };
            const struct kind kind = { .n_in = 1, .layers = { layer } };
            bp_network net;
            make_network(&net, &kind, NULL);
            for (size_t j = 0; j < layer.n_out; j++)
                net.layers[0].W[j] = R(weights[k / 2]);
            add_network(&checker, &net, &kind);
            bp_network_free(&net);
        }
    run_checker(&checker, "0", "-O0");
}

/* With layers wide enough for functions of their own. */
static void hold_wide_layers(const char *flags)
{
    struct checker checker;
    begin_checker(&checker);
    for (int activation = 0; activation < (int)BP_CUSTOM_ACTIVATION; activation++)
        for (size_t which = 0; which < COUNT(numbers); which++) {
            const bp_layer_config layer = { .n_out = 5, .activation = (bp_activation)activation };
            const struct kind kind = { .n_in = 4, .layers = { layer }, .element = numbers[which] };
            add_kind(&checker, &kind);
        }
    run_checker(&checker, "0", flags);
}

/* What a compiler says that reorders sums; others are numbers that are not IEEE 754's. */
static void programs_that_cannot_take_numbers_apart_call_libm(void **state)
{
    (void)state;
    hold_wide_layers("-O1 -D__ASSOCIATIVE_MATH__");
}

/* Clang does so without a word. */
static void programs_are_right_where_sums_may_be_reordered(void **state)
{
    (void)state;
    hold_wide_layers("-Ofast -fno-finite-math-only");
}

/* ---- The text -------------------------------------------------------------------------------------------------------- */

struct texts {
    bp_bytes header_bytes, source_bytes;
    char *header, *source; /* what these hold */
};

static struct texts export_texts(const bp_network *net, const bp_export_c_config *config)
{
    struct texts texts;
    assert_int_equal(bp_network_export_c_memory(net, &texts.header_bytes, &texts.source_bytes, config), BP_OK);
    texts.header = texts.header_bytes.data;
    texts.source = texts.source_bytes.data;
    assert_int_equal(strlen(texts.header), texts.header_bytes.size); /* the NUL behind it does not count */
    assert_int_equal(strlen(texts.source), texts.source_bytes.size);
    return texts;
}

static void free_texts(struct texts *texts)
{
    bp_bytes_free(&texts->header_bytes);
    bp_bytes_free(&texts->source_bytes);
}

static const struct kind ordinary = {
    .n_in = 5,
    .layers = { { .n_out = 7, .activation = BP_LEAKY_RELU, .normalization = BP_BATCH_NORMALIZATION },
                { .n_out = 6, .activation = BP_ELU, .normalization = BP_LAYER_NORMALIZATION },
                { .n_out = 3, .activation = BP_TANH } },
    .scaling = MODEST,
};

/* strtod() reads hexadecimal numbers exactly. Numbers that are not in the type: nearest ones. */
static void weights_are_exact_where_nothing_is_folded_in(void **state)
{
    (void)state;
    static const double values[] = { 0.0,
                                     -0.0,
                                     1,
                                     -1.5,
                                     0.1,
                                     -1e-300,
                                     1e300,
                                     4.9406564584124654e-324,
                                     -2.2250738585072009e-308,
                                     DBL_MAX,
                                     DBL_MIN,
                                     1.4012984643248171e-45,
                                     16777217,
                                     -3.4028234663852886e+38 };
    enum { N_IN = 7, N_OUT = 2 };
    const bp_layer_config layer = { .n_out = N_OUT };
    for (size_t which = 0; which < COUNT(numbers); which++) {
        const bool single = numbers[which] == BP_F32;
        bp_network net;
        assert_int_equal(bp_network_init(&net, &(bp_network_config){ .n_in = N_IN, .n_layers = 1, .layers = &layer }),
                         BP_OK);
        for (size_t k = 0; k < N_IN * N_OUT; k++) {
            const bool fits = fabs(values[k]) <= (single ? FLT_MAX : (double)BP_REAL_MAX);
            net.layers[0].W[k] = fits ? R(values[k]) : R(0.25);
            net.layers[0].W[k] = isfinite(net.layers[0].W[k]) ? net.layers[0].W[k] : R(0.25);
        }
        struct texts texts = export_texts(&net, &(bp_export_c_config){ .element = numbers[which] });
        const char *next = strstr(texts.source, "network_W0[14] = {");
        assert_non_null(next);
        next = strchr(next, '{') + 1;
        for (size_t i = 0; i < N_IN; i++)
            for (size_t j = 0; j < N_OUT; j++) {
                char *end;
                const double expected = (double)net.layers[0].W[j * N_IN + i];
                const double rounded = single ? (double)(float)expected : expected, read = strtod(next, &end);
                assert_memory_equal(&read, &rounded, sizeof read);
                next = end + (single ? 2 : 1);
            }
        free_texts(&texts);
        bp_network_free(&net);
    }
}

static void the_same_network_gives_the_same_text_in_every_locale(void **state)
{
    (void)state;
    bp_network net, clone;
    make_network(&net, &ordinary, NULL);
    assert_int_equal(bp_network_clone(&clone, &net, NULL), BP_OK);
    struct texts first = export_texts(&net, NULL), second = export_texts(&clone, NULL);
    assert_string_equal(first.header, second.header);
    assert_string_equal(first.source, second.source);
    free_texts(&second);
    if (test_set_comma_locale()) {
        second = export_texts(&net, NULL);
        (void)setlocale(LC_ALL, "C");
        assert_string_equal(first.header, second.header);
        assert_string_equal(first.source, second.source);
        free_texts(&second);
    }
    free_texts(&first);
    bp_network_free(&clone);
    bp_network_free(&net);
}

static void files_have_the_texts_of_memory(void **state)
{
    (void)state;
    bp_network net;
    struct test_folder folder;
    make_network(&net, &ordinary, NULL);
    test_folder_make(&folder);
    char with_slash[TEST_PATH_SIZE + 1];
    (void)snprintf(with_slash, sizeof with_slash, "%s/", folder.path);
    assert_int_equal(bp_network_export_c(&net, folder.path, NULL), BP_OK);
    assert_int_equal(bp_network_export_c(&net, with_slash, NULL), BP_OK); /* over the ones from before */
    assert_int_equal(test_folder_count(&folder), 2);

    struct texts texts = export_texts(&net, NULL);
    struct test_bytes header = test_file_content(test_folder_file(&folder, "network.h"));
    struct test_bytes source = test_file_content(test_folder_file(&folder, "network.c"));
    assert_int_equal(header.n, strlen(texts.header));
    assert_memory_equal(header.data, texts.header, header.n);
    assert_int_equal(source.n, strlen(texts.source));
    assert_memory_equal(source.data, texts.source, source.n);
    test_bytes_clear(&header);
    test_bytes_clear(&source);
    free_texts(&texts);
    test_folder_remove(&folder);
    bp_network_free(&net);
}

static void a_text_has_only_what_its_network_needs(void **state)
{
    (void)state;
    static const struct {
        bp_activation activation;
        bp_normalization normalization;
        size_t n_out;
        bool has_math, needs_libm; /* names the header; if it need not be there, because numbers may be other than usual */
    } cases[] = {
        { BP_IDENTITY, BP_NO_NORMALIZATION, 3, false, false },     { BP_RELU, BP_BATCH_NORMALIZATION, 8, false, false },
        { BP_LEAKY_RELU, BP_NO_NORMALIZATION, 3, false, false },   { BP_SOFTSIGN, BP_NO_NORMALIZATION, 8, false, false },
        { BP_HARD_SIGMOID, BP_NO_NORMALIZATION, 3, false, false }, { BP_HARD_TANH, BP_NO_NORMALIZATION, 3, false, false },
        { BP_RELU, BP_LAYER_NORMALIZATION, 3, true, true },        { BP_TANH, BP_NO_NORMALIZATION, 3, true, true },
        { BP_TANH, BP_NO_NORMALIZATION, 4, true, false },          { BP_TANH, BP_LAYER_NORMALIZATION, 4, true, true },
        { BP_GELU, BP_NO_NORMALIZATION, 8, true, true },           { BP_SOFTMAX, BP_NO_NORMALIZATION, 3, true, true },
        { BP_SOFTMAX, BP_NO_NORMALIZATION, 10, true, false }
    };
    for (size_t k = 0; k < COUNT(cases); k++) {
        const struct kind kind = { .n_in = 2,
                                   .layers = { { .n_out = cases[k].n_out,
                                                 .activation = cases[k].activation,
                                                 .normalization = cases[k].normalization } } };
        bp_network net;
        make_network(&net, &kind, NULL);
        struct texts texts = export_texts(&net, NULL);
        assert_int_equal(strstr(texts.source, "math.h") != NULL, cases[k].has_math);
        assert_int_equal(strstr(texts.header, "-lm") != NULL, cases[k].needs_libm);
        assert_null(strstr(texts.header, "SCRATCH"));
        assert_null(strstr(texts.header, "class"));
        assert_null(strstr(texts.source, "scale"));
        free_texts(&texts);
        bp_network_free(&net);
    }
}

/* In brackets of the text: everything that a string or a comment could end on, or a warning begin with. */
static const char *const nasty[] = {
    "",
    " ",
    "*/",
    "/*",
    "/*/",
    "*/*",
    "a \\",
    "\\\n",
    "\?\?/",
    "\?\?/\n",
    "\?\?\?=",
    "\"",
    "'",
    "%s%n",
    "\n\r\t\a\b\f\v",
    "\x01\x7f",
    "gr\xc3\xb6\xc3\x9f"
    "e 7",
    "\xe2\x80\xae"
    "abc",
    "\xf0\x9f\x98\x80"
    "1",
    "// x",
    "*\\/",
    "\\u00e4",
    "$&~@%",
    "0\xc3\xa4"
    "0",
};

static void print_bytes(FILE *file, const char *name, size_t k, const char *text)
{
    (void)fprintf(file, "static const unsigned char %s_%zu[] = {", name, k);
    for (size_t i = 0; i <= strlen(text); i++)
        (void)fprintf(file, " %u,", (unsigned)(unsigned char)text[i]);
    (void)fprintf(file, " };\n");
}

static void names_come_out_as_they_went_in(void **state)
{
    (void)state;
    enum { N = (int)COUNT(nasty), LONG = 9000 };
    static char long_name[LONG + 1];
    memset(long_name, 'n', LONG);
    const char *names[N + 1];
    memcpy((void *)names, (const void *)nasty, sizeof nasty);
    names[N] = long_name;

    const struct kind kind = { .n_in = N + 1, .layers = { { .n_out = N + 1, .activation = BP_SOFTMAX } } };
    bp_network net;
    make_network(&net, &kind, NULL);
    assert_int_equal(bp_network_set_input_names(&net, names), BP_OK);
    assert_int_equal(bp_network_set_class_names(&net, names), BP_OK);
    for (size_t k = 1; k < N; k++)
        assert_int_equal(bp_network_set_metadata(&net, nasty[k], nasty[N - k]), BP_OK);

    struct checker checker;
    begin_checker(&checker);
    add_network(&checker, &net, &kind);
    for (size_t k = 0; k <= N; k++)
        print_bytes(checker.program, "name", k, names[k]);
    (void)fprintf(checker.program,
                  "static int check_names(void)\n{\n    int failed = net0_class_name(NET0_N_CLASSES) != NULL;\n");
    for (size_t k = 0; k <= N; k++)
        (void)fprintf(checker.program,
                      "    failed += strlen(net0_class_name(%zu)) + 1 != sizeof name_%zu || "
                      "memcmp(net0_class_name(%zu), name_%zu, sizeof name_%zu) != 0;\n",
                      k, k, k, k, k);
    (void)fprintf(checker.program, "    return failed;\n}\n\n");
    bp_network_free(&net);
    run_checker(&checker, "check_names()", "-O2");
}

static void texts_are_plain_ascii(void **state)
{
    (void)state;
    const struct kind kind = { .n_in = 1, .layers = { { .n_out = 1 } } };
    bp_network net;
    make_network(&net, &kind, NULL);
    assert_int_equal(bp_network_set_input_names(&net, (const char *const[]){ "\xc3\xa4\xe2\x82\xac" }), BP_OK);
    assert_int_equal(bp_network_set_class_names(&net, (const char *const[]){ "no", "\xc3\xa4" }), BP_OK);
    struct texts texts = export_texts(&net, NULL);
    for (const char *c = texts.header; *c != '\0'; c++)
        assert_true(*c == '\n' || (*c >= ' ' && *c <= '~'));
    for (const char *c = texts.source; *c != '\0'; c++)
        assert_true(*c == '\n' || (*c >= ' ' && *c <= '~'));
    assert_non_null(strstr(texts.header, "0 \"\\u{e4}\\u{20ac}\"\n"));
    free_texts(&texts);
    bp_network_free(&net);
}

/* ---- What a program does when something is wrong with it ------------------------------------------------------------- */

static void replace(char *text, const char *from, const char *to)
{
    char *place = strstr(text, from);
    assert_non_null(place);
    assert_int_equal(strlen(from), strlen(to));
    memcpy(place, to, strlen(to));
}

static void a_damaged_program_fails_its_test_and_one_of_two_exports_does_not_compile(void **state)
{
    (void)state;
    struct test_compiler compiler;
    if (test_compilers(&compiler, 1) == 0) {
        print_message("no C compiler is here\n");
        skip();
    }
    const struct kind kind = { .n_in = 2, .layers = { { .n_out = 3, .activation = BP_TANH }, { .n_out = 1 } } };
    bp_network net;
    make_network(&net, &kind, NULL);
    struct test_folder folder;
    test_folder_make(&folder);
    assert_int_equal(bp_network_export_c(&net, folder.path, NULL), BP_OK);
    assert_true(test_compile(&compiler, &folder, "-DNETWORK_SELF_TEST_MAIN network.c", "program", true));
    assert_int_equal(test_run(&folder, "program"), 0);

    struct texts texts = export_texts(&net, NULL);
    replace(texts.source, "x_0 * w[j] + x_1", "x_0 * w[j] - x_1");
    test_folder_write(&folder, "network.c", texts.source);
    assert_true(test_compile(&compiler, &folder, "-DNETWORK_SELF_TEST_MAIN network.c", "program", true));
    assert_int_equal(test_run(&folder, "program"), 1);
    free_texts(&texts);

    net.layers[0].b[0] += R(0.5);
    texts = export_texts(&net, NULL);
    test_folder_write(&folder, "network.c", texts.source);
    assert_false(test_compile(&compiler, &folder, "-DNETWORK_SELF_TEST_MAIN network.c", "program", false));
    free_texts(&texts);
    test_folder_remove(&folder);
    bp_network_free(&net);
}

static double seconds_of_children(void)
{
    struct rusage usage;
    assert_int_equal(getrusage(RUSAGE_CHILDREN, &usage), 0);
    return (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
           1e-6 * (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec);
}

/* Two seconds where this was written; of processor time, as others may want the processor too. */
static void a_large_network_compiles_in_seconds(void **state)
{
    (void)state;
    struct test_compiler compilers[MOST_COMPILERS];
    const size_t n = getenv("TEST_QUICK") != NULL ? 0 : test_compilers(compilers, MOST_COMPILERS);
    if (n == 0) {
        print_message("no compiler is here, or a quick test is asked for\n");
        skip();
    }
    const struct kind kind = { .n_in = 784,
                               .layers = { { .n_out = 512, .activation = BP_RELU },
                                           { .n_out = 256, .activation = BP_RELU },
                                           { .n_out = 10, .activation = BP_SOFTMAX } } };
    bp_network net;
    make_network(&net, &kind, NULL);
    struct test_folder folder;
    test_folder_make(&folder);
    assert_int_equal(bp_network_export_c(&net, folder.path, NULL), BP_OK);
    bp_network_free(&net);
    for (size_t k = 0; k < n; k++) {
        const double before = seconds_of_children();
        assert_true(test_compile(&compilers[k], &folder, "-O2 -DNETWORK_SELF_TEST_MAIN network.c", "program", true));
        assert_true(seconds_of_children() - before < 30);
        assert_int_equal(test_run(&folder, "program"), 0);
    }
    test_folder_remove(&folder);
}

/* ---- Refusals -------------------------------------------------------------------------------------------------------- */

static void bad_prefixes_are_refused(void **state)
{
    (void)state;
    bp_network net;
    make_network(&net, &ordinary, NULL);
    static const char *const bad[] = { "",       "1a",  "a-b",  "a b", "a.b",   "../a", "a/b",   "gr\xc3\xb6sse",
                                       "_a",     "a_",  "a__b", "int", "class", "Math", "stdio", "co_await",
                                       "xor_eq", "Con", "a\n",  "a\"" };
    for (size_t k = 0; k < COUNT(bad); k++) {
        bp_bytes header, source;
        assert_refused(bp_network_export_c_memory(&net, &header, &source, &(bp_export_c_config){ .prefix = bad[k] }),
                       BP_ERR_ARGUMENT, "bp_network_export_c_memory", "prefix", bad[k]);
        assert_null(header.data);
        assert_null(source.data);
    }
    char longest[66];
    memset(longest, 'a', sizeof longest);
    longest[65] = '\0';
    assert_refused(bp_network_export_c(&net, ".", &(bp_export_c_config){ .prefix = longest }), BP_ERR_ARGUMENT,
                   "65 characters", "64");
    longest[64] = '\0';
    static const char *const good[] = { "a", "A9", "my_Net_2", "interior", "maths" };
    for (size_t k = 0; k <= COUNT(good); k++) {
        struct texts texts = export_texts(&net, &(bp_export_c_config){ .prefix = k < COUNT(good) ? good[k] : longest });
        free_texts(&texts);
    }
    bp_network_free(&net);
}

static void bad_arguments_are_refused(void **state)
{
    (void)state;
    bp_network net, zeroed = { 0 };
    bp_bytes header, source;
    make_network(&net, &ordinary, NULL);
    assert_refused(bp_network_export_c(NULL, ".", NULL), BP_ERR_ARGUMENT, "bp_network_export_c", "net is NULL");
    assert_refused(bp_network_export_c(&zeroed, ".", NULL), BP_ERR_STATE, "net");
    assert_refused(bp_network_export_c(&net, NULL, NULL), BP_ERR_ARGUMENT, "directory is NULL");
    assert_refused(bp_network_export_c(&net, "", NULL), BP_ERR_ARGUMENT, "directory is an empty text");
    assert_refused(bp_network_export_c(&net, ".", &(bp_export_c_config){ .element = BP_U8 }), BP_ERR_ARGUMENT,
                   "element is 3: expected BP_REAL, BP_F64 or BP_F32");
    assert_refused(bp_network_export_c_memory(NULL, &header, &source, NULL), BP_ERR_ARGUMENT, "net is NULL");
    assert_refused(bp_network_export_c_memory(&net, NULL, &source, NULL), BP_ERR_ARGUMENT, "header is NULL");
    assert_refused(bp_network_export_c_memory(&net, &header, NULL, NULL), BP_ERR_ARGUMENT, "source is NULL");
    bp_network_free(&net);
}

static void square(size_t rows, size_t n, bp_real parameter, void *user, const bp_real *Z, bp_real *A)
{
    (void)parameter, (void)user;
    for (size_t k = 0; k < rows * n; k++)
        A[k] = Z[k] * Z[k];
}

static void square_pull_back(size_t rows, size_t n, bp_real parameter, void *user, const bp_real *Z, const bp_real *A,
                             const bp_real *dA, bp_real *dZ)
{
    (void)parameter, (void)user, (void)A;
    for (size_t k = 0; k < rows * n; k++)
        dZ[k] = 2 * Z[k] * dA[k];
}

static void custom_activations_are_refused_by_name(void **state)
{
    (void)state;
    const bp_activation_function custom = { .name = "square", .apply = square, .pull_back = square_pull_back };
    const struct kind kind = {
        .n_in = 2, .layers = { { .n_out = 3 }, { .n_out = 3, .activation = BP_CUSTOM_ACTIVATION, .custom = &custom } }
    };
    bp_network net;
    make_network(&net, &kind, NULL);
    assert_refused(bp_network_export_c(&net, ".", NULL), BP_ERR_UNSUPPORTED, "layer 1", "\"square\"");
    bp_network_free(&net);
}

/* Sets one number, has the export refused, and puts it back. */
static void refuse_number(const bp_network *net, bp_real *number, double value, const char *part)
{
    const bp_real before = *number;
    *number = R(value);
    assert_refused(bp_network_export_c(net, ".", NULL), BP_ERR_NONFINITE, part);
    *number = before;
}

static void numbers_that_are_not_finite_are_refused(void **state)
{
    (void)state;
    bp_network net;
    make_network(&net, &ordinary, NULL);
    const bp_layer *layers = net.layers;
    refuse_number(&net, &layers[1].W[8], NAN, "layer 1: W[8]");
    refuse_number(&net, &layers[2].b[1], INFINITY, "layer 2: b[1]");
    refuse_number(&net, &layers[1].gamma[5], -INFINITY, "layer 1: gamma[5]");
    refuse_number(&net, &layers[0].beta[6], NAN, "layer 0: beta[6]");
    refuse_number(&net, &layers[0].running_mean[2], NAN, "layer 0: running_mean[2]");
    refuse_number(&net, &layers[0].running_var[3], NAN, "layer 0: running_var[3]");
    refuse_number(&net, &layers[0].running_var[3], -1, "layer 0: running_var[3]");
    for (size_t k = 0; k < layers[2].n_out * layers[2].n_in; k++)
        layers[2].W[k] = BP_REAL_MAX;
    layers[2].b[0] = BP_REAL_MAX; /* finite all of them; what comes of them is not, but tanh makes 1 of it */
    struct texts texts = export_texts(&net, &(bp_export_c_config){ .element = BP_F64 });
    free_texts(&texts);
    bp_network_free(&net);

    const struct kind linear = { .n_in = 2, .layers = { { .n_out = 2 }, { .n_out = 1 } } };
    make_network(&net, &linear, NULL);
    for (size_t k = 0; k < 4; k++)
        net.layers[0].W[k] = net.layers[1].W[k % 2] = BP_REAL_MAX;
    assert_refused(bp_network_export_c(&net, ".", NULL), BP_ERR_NONFINITE, "output 0 is ", "ordinary size");
    bp_network_free(&net);
    make_network(&net, &linear, NULL);
    assert_int_equal(bp_network_set_scaling(&net, NULL, NULL, (bp_real[]){ 0 }, (bp_real[]){ BP_REAL_MAX }), BP_OK);
    net.layers[1].W[0] = 0;
    net.layers[1].W[1] = 1000; /* what is folded in is too much */
    assert_refused(bp_network_export_c(&net, ".", &(bp_export_c_config){ .element = BP_F32 }), BP_ERR_NONFINITE, "layer 1",
                   "folded W[1] is ");
    net.layers[1].W[0] = net.layers[1].W[1] = 0;
    net.layers[1].b[0] = 1000;
    assert_refused(bp_network_export_c(&net, ".", &(bp_export_c_config){ .element = BP_F32 }), BP_ERR_NONFINITE, "layer 1",
                   "folded b[0] is ");
    bp_network_free(&net);

    const struct kind up_and_down = { .n_in = 1,
                                      .layers = { { .n_out = 1 }, { .n_out = 1 }, { .n_out = 1 }, { .n_out = 1 } } };
    make_network(&net, &up_and_down, NULL);
    for (size_t l = 0; l < 4; l++)
        net.layers[l].W[0] = l < 2 ? R(1e30) : R(1e-30);
    assert_refused(bp_network_export_c(&net, ".", &(bp_export_c_config){ .element = BP_F32 }), BP_ERR_NONFINITE,
                   "computed in float");
    bp_network_free(&net);

    const struct kind normalized = { .n_in = 2, .layers = { { .n_out = 2, .normalization = BP_LAYER_NORMALIZATION } } };
    for (int which = 0; which < 2; which++) {
        make_network(&net, &normalized, NULL);
        assert_int_equal(bp_network_set_scaling(&net, NULL, NULL, (bp_real[]){ 0, 0 }, (bp_real[]){ 1, BP_REAL_MAX }),
                         BP_OK);
        net.layers[0].gamma[1] = which == 0 ? R(100) : R(0.1);
        net.layers[0].beta[1] = which == 1 ? R(100) : R(0.1);
        assert_refused(bp_network_export_c(&net, ".", NULL), BP_ERR_NONFINITE, "layer 0",
                       which == 0 ? "folded gamma[1]" : "folded beta[1]");
        bp_network_free(&net);
    }
}

#ifndef BACKPROP_SINGLE
static void numbers_that_float_does_not_have_are_refused(void **state)
{
    (void)state;
    const bp_export_c_config config = { .element = BP_F32 };
    const struct kind kind = { .n_in = 2,
                               .layers = { { .n_out = 3, .activation = BP_TANH }, { .n_out = 1, .activation = BP_TANH } } };
    bp_network net;
    make_network(&net, &kind, NULL);
    net.layers[1].W[2] = 1e39;
    assert_refused(bp_network_export_c(&net, ".", &config), BP_ERR_NONFINITE, "layer 1", "W[2]", "too large for float");
    net.layers[1].W[2] = 1;
    assert_int_equal(bp_network_set_scaling(&net, (double[]){ 1e40, 0 }, (double[]){ 1, 1 }, NULL, NULL), BP_OK);
    assert_refused(bp_network_export_c(&net, ".", &config), BP_ERR_NONFINITE, "input 0", "center");
    assert_int_equal(bp_network_set_scaling(&net, (double[]){ 0, 0 }, (double[]){ 1, 1e-60 }, NULL, NULL), BP_OK);
    assert_refused(bp_network_export_c(&net, ".", &config), BP_ERR_NONFINITE, "input 1", "scale");
    assert_int_equal(bp_network_set_scaling(&net, NULL, NULL, (double[]){ 0 }, (double[]){ 1e50 }), BP_OK);
    assert_refused(bp_network_export_c(&net, ".", &config), BP_ERR_NONFINITE, "output 0", "scale");
    bp_network_free(&net);
}
#endif

/* ---- Scaling that must not be folded --------------------------------------------------------------------------------- */

/* W / scale would be infinite, or lose its digits, or those of x - center; (x - center) / scale is an ordinary number. */
static void scaling_that_would_cost_digits_is_left_to_the_code(void **state)
{
    (void)state;
    struct checker checker;
    begin_checker(&checker);
    for (int scaling = (int)MODEST; scaling <= (int)HUGE_ONE; scaling++) {
        const struct kind kind = { .n_in = 3,
                                   .layers = { { .n_out = 4, .activation = BP_TANH }, { .n_out = 2 } },
                                   .scaling = (enum scaling)scaling };
        bp_network net;
        make_network(&net, &kind, NULL);
        add_network(&checker, &net, &kind);
        struct texts texts = export_texts(&net, NULL);
        const bool by_code = strstr(texts.source, "(x[0] - network_in_center[0]) / network_in_scale[0]") != NULL;
        assert_int_equal(by_code, scaling != (int)MODEST);
        free_texts(&texts);
        bp_network_free(&net);
    }
    run_checker(&checker, "0", "-O2");
}

/* ---- Failures -------------------------------------------------------------------------------------------------------- */

static void write_old_files(const struct test_folder *folder)
{
    test_folder_write(folder, "network.h", "old header");
    test_folder_write(folder, "network.c", "old source");
}

static void assert_old_files(const struct test_folder *folder)
{
    static const char *const names[] = { "network.h", "network.c" }, *const texts[] = { "old header", "old source" };
    assert_int_equal(test_folder_count(folder), 2);
    for (size_t k = 0; k < 2; k++) {
        struct test_bytes bytes = test_file_content(test_folder_file(folder, names[k]));
        assert_int_equal(bytes.n, strlen(texts[k]));
        assert_memory_equal(bytes.data, texts[k], bytes.n);
        test_bytes_clear(&bytes);
    }
}

static void every_allocation_may_fail(void **state)
{
    (void)state;
    struct test_heap heap;
    struct test_folder folder;
    bp_network net;
    test_heap_init(&heap);
    test_folder_make(&folder);
    write_old_files(&folder);
    make_network(&net, &ordinary, &heap.allocator);
    const size_t blocks = heap.live_blocks;
    size_t n_failures = 0;
    for (bp_status status = BP_ERR_MEMORY; status != BP_OK; n_failures++) {
        heap.fail_at = heap.n_allocs + n_failures + 1;
        test_forget_sentence();
        status = bp_network_export_c(&net, folder.path, NULL);
        assert_int_equal(heap.live_blocks, blocks);
        if (status == BP_OK)
            continue;
        assert_int_equal(status, BP_ERR_MEMORY);
        assert_true(bp_error_message()[0] != '\0');
        assert_old_files(&folder);
    }
    assert_in_range(n_failures, 5, 100);

    n_failures = 0;
    struct texts texts = { 0 };
    for (bp_status status = BP_ERR_MEMORY; status != BP_OK; n_failures++) {
        heap.fail_at = heap.n_allocs + n_failures + 1;
        status = bp_network_export_c_memory(&net, &texts.header_bytes, &texts.source_bytes, NULL);
        if (status == BP_OK)
            continue;
        assert_int_equal(status, BP_ERR_MEMORY);
        assert_int_equal(heap.live_blocks, blocks);
        assert_null(texts.header_bytes.data);
        assert_null(texts.source_bytes.data);
    }
    assert_in_range(n_failures, 5, 100);
    free_texts(&texts);
    bp_network_free(&net);
    assert_true(test_heap_is_clean(&heap));
    test_folder_remove(&folder);
}

/* A limit for the size of files stands for a full disk: at each of them header or source cannot be written. */
static void failing_writes_leave_both_old_files(void **state)
{
    (void)state;
    struct test_folder folder;
    bp_network net;
    test_folder_make(&folder);
    write_old_files(&folder);
    const struct kind large = { .n_in = 60, .layers = { { .n_out = 90 }, { .n_out = 5 } } }; /* more than one buffer */
    make_network(&net, &large, NULL);
    struct texts texts = export_texts(&net, NULL);
    const size_t n_header = strlen(texts.header), n_source = strlen(texts.source);
    assert_true(n_source > 70000);
    const size_t limits[] = { 0, 1, n_header - 1, n_header, n_header + 1, 65536, n_source - 1 };
    free_texts(&texts);

    struct rlimit before;
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
    assert_true(signal(SIGXFSZ, SIG_IGN) != SIG_ERR);
    for (size_t k = 0; k < COUNT(limits); k++) {
        const struct rlimit limit = { .rlim_cur = limits[k], .rlim_max = before.rlim_max };
        assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
        const bp_status status = bp_network_export_c(&net, folder.path, NULL);
        assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
        assert_int_equal(status, BP_ERR_IO);
        assert_non_null(strstr(bp_error_message(), limits[k] < n_header ? "network.h" : "network.c"));
        assert_old_files(&folder);
    }
    bp_network_free(&net);

    static char long_value[100000]; /* a header of more than one buffer, too */
    memset(long_value, 'v', sizeof long_value - 1);
    make_network(&net, &ordinary, NULL);
    assert_int_equal(bp_network_set_metadata(&net, "long", long_value), BP_OK);
    const struct rlimit limit = { .rlim_cur = 65000, .rlim_max = before.rlim_max };
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
    const bp_status status = bp_network_export_c(&net, folder.path, NULL);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
    assert_int_equal(status, BP_ERR_IO);
    assert_old_files(&folder);
    bp_network_free(&net);
    test_folder_remove(&folder);
}

static void places_that_cannot_be_written_are_errors(void **state)
{
    (void)state;
    bp_network net;
    struct test_folder folder;
    make_network(&net, &ordinary, NULL);
    test_folder_make(&folder);
    assert_refused(bp_network_export_c(&net, test_folder_file(&folder, "nowhere"), NULL), BP_ERR_IO, "network.h");
    static char long_path[4001];
    for (size_t k = 0; k < sizeof long_path - 1; k++)
        long_path[k] = k % 2 == 0 ? '.' : '/';
    const char *prefix = sizeof(bp_real) == sizeof(float) ? "float_from_a_long_path" : "double_from_a_long_path";
    const bp_status status = bp_network_export_c(&net, long_path, &(bp_export_c_config){ .prefix = prefix });
    assert_true(status == BP_OK || status == BP_ERR_IO);
    if (status == BP_OK) { /* the long way to where we are */
        char name[64];
        (void)snprintf(name, sizeof name, "%s.h", prefix);
        assert_int_equal(remove(name), 0);
        (void)snprintf(name, sizeof name, "%s.c", prefix);
        assert_int_equal(remove(name), 0);
    }
    assert_int_equal(test_folder_count(&folder), 0);
    test_folder_remove(&folder);
    bp_network_free(&net);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(programs_compute_what_the_library_does),
        cmocka_unit_test(special_networks_too),
        cmocka_unit_test(programs_agree_in_the_tails),
        cmocka_unit_test(programs_that_cannot_take_numbers_apart_call_libm),
        cmocka_unit_test(programs_are_right_where_sums_may_be_reordered),
        cmocka_unit_test(weights_are_exact_where_nothing_is_folded_in),
        cmocka_unit_test(the_same_network_gives_the_same_text_in_every_locale),
        cmocka_unit_test(files_have_the_texts_of_memory),
        cmocka_unit_test(a_text_has_only_what_its_network_needs),
        cmocka_unit_test(names_come_out_as_they_went_in),
        cmocka_unit_test(texts_are_plain_ascii),
        cmocka_unit_test(a_damaged_program_fails_its_test_and_one_of_two_exports_does_not_compile),
        cmocka_unit_test(a_large_network_compiles_in_seconds),
        cmocka_unit_test(bad_prefixes_are_refused),
        cmocka_unit_test(bad_arguments_are_refused),
        cmocka_unit_test(custom_activations_are_refused_by_name),
        cmocka_unit_test(numbers_that_are_not_finite_are_refused),
#ifndef BACKPROP_SINGLE
        cmocka_unit_test(numbers_that_float_does_not_have_are_refused),
#endif
        cmocka_unit_test(scaling_that_would_cost_digits_is_left_to_the_code),
        cmocka_unit_test(every_allocation_may_fail),
        cmocka_unit_test(failing_writes_leave_both_old_files),
        cmocka_unit_test(places_that_cannot_be_written_are_errors),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
