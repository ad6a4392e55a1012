// SPDX-License-Identifier: MIT
/*
 * FANN's files of networks: keys and what follows them, read into arrays that grow as numbers come; then the network, whose
 * parameters are FANN's weights with all that its functions do beside ours folded in.
 *
 * "neurons" are those of the file, which have one more a layer than ours: the bias, always the last.
 */
#include "backprop/fann_net.h"

#include <math.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "base/growing.h"
#include "base/memory.h"
#include "base/status.h"
#include "store/number.h"
#include "store/source.h"
#include "store/text.h"

#define COUNT(array) (sizeof(array) / sizeof(array)[0])
#define WORD_SIZE ((size_t)512)           /* more characters than any key or number has */
#define STEEPEST 8.0                      /* s sum is cut off at 150/s, which sigmoids show for larger s */
#define QUARTER_TURN 0x1.921fb54442d18p+0 /* pi / 2 */

/* ---- FANN's functions ------------------------------------------------------------------------------------------------ */

/* FANN's f(x) = out_factor g(in_factor x + in_shift) + out_shift, with g ours; in_factor 0: there is none. */
struct meaning {
    const char *name;
    bp_activation g;
    double in_factor, in_shift, out_factor, out_shift;
};

/* By the numbers in files. */
static const struct meaning meanings[] = {
    { "FANN_LINEAR", BP_IDENTITY, 1, 0, 1, 0 },
    { "FANN_THRESHOLD", BP_IDENTITY, 0, 0, 0, 0 },
    { "FANN_THRESHOLD_SYMMETRIC", BP_IDENTITY, 0, 0, 0, 0 },
    { "FANN_SIGMOID", BP_SIGMOID, 2, 0, 1, 0 },
    { "FANN_SIGMOID_STEPWISE", BP_IDENTITY, 0, 0, 0, 0 },
    { "FANN_SIGMOID_SYMMETRIC", BP_TANH, 1, 0, 1, 0 },
    { "FANN_SIGMOID_SYMMETRIC_STEPWISE", BP_IDENTITY, 0, 0, 0, 0 },
    { "FANN_GAUSSIAN", BP_GAUSSIAN, 1, 0, 1, 0 },
    { "FANN_GAUSSIAN_SYMMETRIC", BP_GAUSSIAN, 1, 0, 2, -1 },
    { "FANN_GAUSSIAN_STEPWISE", BP_IDENTITY, 0, 0, 0, 0 },
    { "FANN_ELLIOT", BP_SOFTSIGN, 1, 0, 0.5, 0.5 },
    { "FANN_ELLIOT_SYMMETRIC", BP_SOFTSIGN, 1, 0, 1, 0 },
    { "FANN_LINEAR_PIECE", BP_HARD_SIGMOID, 6, -3, 1, 0 },
    { "FANN_LINEAR_PIECE_SYMMETRIC", BP_HARD_TANH, 1, 0, 1, 0 },
    { "FANN_SIN_SYMMETRIC", BP_SINE, 1, 0, 1, 0 },
    { "FANN_COS_SYMMETRIC", BP_SINE, 1, QUARTER_TURN, 1, 0 },
    { "FANN_SIN", BP_SINE, 1, 0, 0.5, 0.5 },
    { "FANN_COS", BP_SINE, 1, QUARTER_TURN, 0.5, 0.5 },
};

/* Outputs of a sigmoid layer are never scaled here, but those of its twin are. */
static const struct meaning scaled_sigmoid = { "FANN_SIGMOID", BP_TANH, 1, 0, 0.5, 0.5 };

/* ---- what is read ---------------------------------------------------------------------------------------------------- */

/* Keys that others refer to, in the order of a file. */
enum {
    NUM_LAYERS,
    CONNECTION_RATE,
    NETWORK_TYPE,
    FUNCTIONS_COUNT,
    FUNCTIONS,
    STEEPNESSES_COUNT,
    STEEPNESSES,
    LAYER_SIZES,
    SCALE_INCLUDED,
    FIRST_SCALING, /* mean, deviation, new minimum and factor of the inputs, then of the outputs */
    NEURONS = FIRST_SCALING + 8,
    CONNECTIONS,
    FIRST_OF_TRAINING,
    MOST_KEYS = 64
};

enum { MEAN, DEVIATION, NEW_MIN, FACTOR, N_SCALING };

struct reader {
    struct bpi_text *text;
    bp_allocator allocator;
    const char *name;     /* of the source */
    char word[WORD_SIZE]; /* the characters at hand */
    size_t n_word;        /* 0: the end */
    struct bpi_place at;  /* their place */
    bool seen[MOST_KEYS]; /* which keys have come */
    uint32_t n_layers;    /* of the file, the inputs among them */
    uint32_t counts[2];   /* of the two lists for cascade training */
    bool is_scaled;
    struct bpi_growing widths;                /* uint32_t: neurons of each layer */
    struct bpi_growing functions;             /* unsigned char: of each layer but the inputs */
    struct bpi_growing steepnesses;           /* double: of each neuron of these layers but the biases */
    struct bpi_growing weights;               /* double: of each of these neurons, the bias's weight last */
    struct bpi_growing scaling[2][N_SCALING]; /* double: of inputs and outputs */
};

static uint32_t width_of(const struct reader *reader, size_t layer)
{
    return ((const uint32_t *)reader->widths.data)[layer];
}

/* Inputs or outputs, as users see them. */
static uint32_t n_columns(const struct reader *reader, bool is_output)
{
    return width_of(reader, is_output ? reader->n_layers - 1 : 0) - 1;
}

static bp_status append(struct reader *reader, struct bpi_growing *array, const void *element, size_t size)
{
    BPI_TRY(bpi_growing_reserve(array, &reader->allocator, reader->name, size));
    memcpy((char *)array->data + array->n, element, size);
    array->n += size;
    return BP_OK;
}

static void release(struct reader *reader)
{
    bpi_growing_release(&reader->widths, &reader->allocator);
    bpi_growing_release(&reader->functions, &reader->allocator);
    bpi_growing_release(&reader->steepnesses, &reader->allocator);
    bpi_growing_release(&reader->weights, &reader->allocator);
    for (size_t i = 0; i < N_SCALING; i++) {
        bpi_growing_release(&reader->scaling[0][i], &reader->allocator);
        bpi_growing_release(&reader->scaling[1][i], &reader->allocator);
    }
}

/* ---- words ----------------------------------------------------------------------------------------------------------- */

/* What scanf() skips, and so FANN; '\r' comes as '\n'. */
static bool is_blank(int character)
{
    return character == ' ' || character == '\n' || character == '\t' || character == '\v' || character == '\f';
}

static void skip_blanks(struct reader *reader)
{
    while (is_blank(reader->text->next))
        bpi_text_advance(reader->text);
    reader->at = reader->text->at;
}

/* The characters up to one of `ends`, behind blanks. */
static bp_status read_up_to(struct reader *reader, const char *ends)
{
    struct bpi_text *text = reader->text;
    skip_blanks(reader);
    for (reader->n_word = 0; text->next != BPI_TEXT_END && strchr(ends, text->next) == NULL; bpi_text_advance(text)) {
        if (reader->n_word == WORD_SIZE)
            return bpi_text_fail(text, reader->at, BP_ERR_FORMAT, "expected a key or a number, found %s",
                                 bpi_quote(reader->word, reader->n_word).text);
        reader->word[reader->n_word++] = (char)text->next;
    }
    return text->status;
}

#define ENDS_OF_VALUE " \n\t\v\f()"
#define ENDS_OF_PART ENDS_OF_VALUE ","

/* The word; where there is none, what stands in its place. */
static struct bpi_quote found(const struct reader *reader)
{
    static const struct bpi_quote end = { "the end" };
    const char character = (char)reader->text->next;
    if (reader->n_word > 0)
        return bpi_quote(reader->word, reader->n_word);
    return reader->text->next == BPI_TEXT_END ? end : bpi_quote(&character, 1);
}

static bool word_is(const struct reader *reader, const char *text)
{
    return reader->n_word == strlen(text) && memcmp(reader->word, text, reader->n_word) == 0;
}

static bp_status expect_character(struct reader *reader, char expected)
{
    struct bpi_text *text = reader->text;
    skip_blanks(reader);
    BPI_TRY(text->status);
    if (text->next == expected) {
        bpi_text_advance(text);
        return BP_OK;
    }
    reader->n_word = 0;
    return bpi_text_fail(text, reader->at, BP_ERR_FORMAT, "expected '%c', found %s", expected, found(reader).text);
}

static bp_status read_whole(struct reader *reader, const char *ends, const char *what, uint32_t *value)
{
    uint64_t number = 0;
    *value = 0;
    BPI_TRY(read_up_to(reader, ends));
    bool is_whole = reader->n_word > 0;
    for (size_t i = 0; i < reader->n_word && is_whole; i++) {
        const char digit = reader->word[i];
        is_whole = digit >= '0' && digit <= '9' && number <= UINT32_MAX;
        number = number * 10 + (uint64_t)(digit - '0');
    }
    if (!is_whole || number > UINT32_MAX)
        return bpi_text_fail(reader->text, reader->at, BP_ERR_FORMAT,
                             "%s: expected a whole number up to 4294967295, found %s", what, found(reader).text);
    *value = (uint32_t)number;
    return BP_OK;
}

static bp_status read_number_as(struct reader *reader, const char *what, enum bpi_number_format format, double *value)
{
    BPI_TRY(read_up_to(reader, ENDS_OF_VALUE));
    const enum bpi_number_kind kind = bpi_number_read(reader->word, reader->n_word, format, value);
    if (kind == BPI_NUMBER)
        return BP_OK;
    if (reader->n_word == 0)
        return bpi_text_fail(reader->text, reader->at, BP_ERR_FORMAT, "%s: expected a number, found %s", what,
                             found(reader).text);
    if (kind == BPI_NUMBER_NONE && memchr(reader->word, ',', reader->n_word) != NULL)
        return bpi_text_fail(
            reader->text, reader->at, BP_ERR_FORMAT,
            "%s: expected a number, found %s: with a decimal comma, as FANN writes them under some locales; "
            "save the file under the locale \"C\"",
            what, found(reader).text);
    return bpi_text_refuse_number(reader->text, reader->at, what, reader->word, reader->n_word, kind);
}

static bp_status read_number(struct reader *reader, const char *what, double *value)
{
    return read_number_as(reader, what, BPI_BINARY64, value);
}

/* ---- settings -------------------------------------------------------------------------------------------------------- */

struct key {
    const char *text;
    bp_status (*read)(struct reader *reader, size_t key, const char *text);
    size_t after; /* the key that must have come before; itself: none */
};

static bp_status skip_whole(struct reader *reader, size_t key, const char *text)
{
    (void)key;
    uint32_t value;
    return read_whole(reader, ENDS_OF_VALUE, text, &value);
}

static bp_status skip_number(struct reader *reader, size_t key, const char *text)
{
    (void)key;
    double value;
    return read_number(reader, text, &value);
}

static bp_status read_count(struct reader *reader, size_t key, const char *text)
{
    return read_whole(reader, ENDS_OF_VALUE, text, &reader->counts[key == STEEPNESSES_COUNT]);
}

static bp_status skip_list(struct reader *reader, size_t key, const char *text)
{
    const bool is_number = key == STEEPNESSES;
    for (uint32_t i = 0; i < reader->counts[is_number]; i++)
        BPI_TRY(is_number ? skip_number(reader, key, text) : skip_whole(reader, key, text));
    return BP_OK;
}

static bp_status read_n_layers(struct reader *reader, size_t key, const char *text)
{
    (void)key;
    BPI_TRY(read_whole(reader, ENDS_OF_VALUE, text, &reader->n_layers));
    if (reader->n_layers < 2)
        return bpi_text_fail(reader->text, reader->at, BP_ERR_FORMAT, "%s: expected inputs and outputs at least, found %s",
                             text, found(reader).text);
    return BP_OK;
}

static bp_status read_connection_rate(struct reader *reader, size_t key, const char *text)
{
    (void)key;
    double rate;
    BPI_TRY(read_number(reader, text, &rate));
    if (rate > 0 && rate < 1)
        return bpi_text_fail(reader->text, reader->at, BP_ERR_UNSUPPORTED,
                             "%s: expected 1, found %s: a network with missing connections", text, found(reader).text);
    if (rate != 1)
        return bpi_text_fail(reader->text, reader->at, BP_ERR_FORMAT, "%s: expected 1, found %s", text, found(reader).text);
    return BP_OK;
}

static bp_status read_network_type(struct reader *reader, size_t key, const char *text)
{
    (void)key;
    uint32_t type;
    BPI_TRY(read_whole(reader, ENDS_OF_VALUE, text, &type));
    if (type == 1)
        return bpi_text_fail(reader->text, reader->at, BP_ERR_UNSUPPORTED,
                             "%s: expected 0, found 1: a network with shortcut connections, as cascade training makes them",
                             text);
    if (type != 0)
        return bpi_text_fail(reader->text, reader->at, BP_ERR_FORMAT, "%s: expected 0, found %s", text, found(reader).text);
    return BP_OK;
}

static bp_status read_widths(struct reader *reader, size_t key, const char *text)
{
    (void)key;
    for (uint32_t l = 0; l < reader->n_layers; l++) {
        uint32_t width;
        BPI_TRY(read_whole(reader, ENDS_OF_VALUE, text, &width));
        if (width < 2)
            return bpi_text_fail(reader->text, reader->at, BP_ERR_FORMAT,
                                 "%s: layer %u: expected a neuron and the bias at least, found %u", text, (unsigned)l,
                                 (unsigned)width);
        BPI_TRY(append(reader, &reader->widths, &width, sizeof width));
    }
    return BP_OK;
}

/* ---- scaling --------------------------------------------------------------------------------------------------------- */

static bp_status read_scale_included(struct reader *reader, size_t key, const char *text)
{
    (void)key;
    uint32_t included;
    BPI_TRY(read_whole(reader, ENDS_OF_VALUE, text, &included));
    if (included > 1)
        return bpi_text_fail(reader->text, reader->at, BP_ERR_FORMAT, "%s: expected 0 or 1, found %s", text,
                             found(reader).text);
    reader->is_scaled = included == 1;
    return BP_OK;
}

static bp_status read_scaling(struct reader *reader, size_t key, const char *text)
{
    const size_t i = (key - FIRST_SCALING) % N_SCALING;
    const bool is_output = key - FIRST_SCALING >= N_SCALING;
    if (!reader->is_scaled)
        return bpi_text_fail(reader->text, reader->at, BP_ERR_FORMAT, "%s: expected none, scale_included is 0", text);
    for (uint32_t column = 0; column < n_columns(reader, is_output); column++) {
        double value;
        BPI_TRY(read_number_as(reader, text, BPI_BINARY32, &value)); /* FANN holds these as floats */
        if ((i == DEVIATION || i == FACTOR) && !(value > 0))
            return bpi_text_fail(reader->text, reader->at, BP_ERR_UNSUPPORTED,
                                 "%s: %s %u: expected a number above 0, found %s, by which nothing can be scaled back",
                                 text, is_output ? "output" : "input", (unsigned)column, found(reader).text);
        BPI_TRY(append(reader, &reader->scaling[is_output][i], &value, sizeof value));
    }
    return BP_OK;
}

/* ---- neurons --------------------------------------------------------------------------------------------------------- */

/* A neuron as the file has it, and its place there. */
struct neuron {
    uint64_t number;
    size_t layer;
    bool is_first;
    uint32_t n_inputs, function;
    double steepness;
    struct bpi_place at;
};

static bp_status read_neuron(struct reader *reader, struct neuron *neuron)
{
    BPI_TRY(expect_character(reader, '('));
    neuron->at = reader->at;
    BPI_TRY(read_whole(reader, ENDS_OF_PART, "num_inputs", &neuron->n_inputs));
    BPI_TRY(expect_character(reader, ','));
    BPI_TRY(read_whole(reader, ENDS_OF_PART, "activation_function", &neuron->function));
    BPI_TRY(expect_character(reader, ','));
    BPI_TRY(read_number(reader, "activation_steepness", &neuron->steepness));
    return expect_character(reader, ')');
}

static bp_status check_connected(const struct reader *reader, const struct neuron *neuron, uint32_t expected)
{
    if (neuron->n_inputs == expected)
        return BP_OK;
    return bpi_text_fail(reader->text, neuron->at, neuron->n_inputs < expected ? BP_ERR_UNSUPPORTED : BP_ERR_FORMAT,
                         "neuron %llu, of layer %zu: expected %u inputs, as layers that are fully connected have, found %u",
                         (unsigned long long)neuron->number, neuron->layer, (unsigned)expected, (unsigned)neuron->n_inputs);
}

static bp_status check_function(const struct reader *reader, const struct neuron *neuron)
{
    const unsigned long long number = neuron->number;
    if (neuron->function >= COUNT(meanings))
        return bpi_text_fail(reader->text, neuron->at, BP_ERR_FORMAT,
                             "neuron %llu: %u is no activation function: expected up to %zu", number,
                             (unsigned)neuron->function, COUNT(meanings) - 1);
    const struct meaning *meaning = &meanings[neuron->function];
    if (meaning->in_factor == 0)
        return bpi_text_fail(reader->text, neuron->at, BP_ERR_UNSUPPORTED,
                             "neuron %llu: its activation function is %s, which has no equal here", number, meaning->name);
    const unsigned char first = ((const unsigned char *)reader->functions.data)[neuron->layer - 1];
    if (first != neuron->function)
        return bpi_text_fail(
            reader->text, neuron->at, BP_ERR_UNSUPPORTED,
            "neuron %llu: its activation function is %s: expected %s, as the neurons before it in layer %zu", number,
            meaning->name, meanings[first].name, neuron->layer);
    if (!(neuron->steepness > 0 && neuron->steepness <= STEEPEST))
        return bpi_text_fail(reader->text, neuron->at, BP_ERR_UNSUPPORTED,
                             "neuron %llu: expected a steepness above 0 and up to 8, found %s", number,
                             bpi_quote(reader->word, reader->n_word).text);
    return BP_OK;
}

static bp_status read_computing_neuron(struct reader *reader, struct neuron *neuron)
{
    BPI_TRY(read_neuron(reader, neuron));
    BPI_TRY(check_connected(reader, neuron, width_of(reader, neuron->layer - 1)));
    if (neuron->is_first) {
        const unsigned char function = neuron->function < COUNT(meanings) ? (unsigned char)neuron->function : 0;
        BPI_TRY(append(reader, &reader->functions, &function, sizeof function));
    }
    BPI_TRY(check_function(reader, neuron));
    return append(reader, &reader->steepnesses, &neuron->steepness, sizeof neuron->steepness);
}

/* Inputs and biases compute nothing: what the file has for function and steepness there is of no use. */
static bp_status read_neurons(struct reader *reader, size_t key, const char *text)
{
    (void)key, (void)text;
    struct neuron neuron = { .number = 0 };
    for (neuron.layer = 0; neuron.layer < reader->n_layers; neuron.layer++)
        for (uint32_t i = 0; i < width_of(reader, neuron.layer); i++, neuron.number++) {
            neuron.is_first = i == 0;
            if (neuron.layer > 0 && i + 1 < width_of(reader, neuron.layer)) {
                BPI_TRY(read_computing_neuron(reader, &neuron));
            } else {
                BPI_TRY(read_neuron(reader, &neuron));
                BPI_TRY(check_connected(reader, &neuron, 0));
            }
        }
    return BP_OK;
}

/* ---- connections ----------------------------------------------------------------------------------------------------- */

static bp_status read_connection(struct reader *reader, uint64_t to, uint64_t expected_from)
{
    uint32_t from;
    double weight;
    BPI_TRY(expect_character(reader, '('));
    BPI_TRY(read_whole(reader, ENDS_OF_PART, "connected_to_neuron", &from));
    if (from != expected_from)
        return bpi_text_fail(
            reader->text, reader->at, BP_ERR_FORMAT,
            "neuron %llu: expected its connection with neuron %llu, as layers that are fully connected have, "
            "found one with %u",
            (unsigned long long)to, (unsigned long long)expected_from, (unsigned)from);
    BPI_TRY(expect_character(reader, ','));
    BPI_TRY(read_number(reader, "weight", &weight));
    BPI_TRY(append(reader, &reader->weights, &weight, sizeof weight));
    return expect_character(reader, ')');
}

static bp_status read_connections(struct reader *reader, size_t key, const char *text)
{
    (void)key, (void)text;
    uint64_t first_below = 0;
    for (size_t l = 1; l < reader->n_layers; l++) {
        const uint32_t n_below = width_of(reader, l - 1), n = width_of(reader, l);
        for (uint32_t i = 0; i + 1 < n; i++)
            for (uint32_t k = 0; k < n_below; k++)
                BPI_TRY(read_connection(reader, first_below + n_below + i, first_below + k));
        first_below += n_below;
    }
    return BP_OK;
}

/* ---- the file -------------------------------------------------------------------------------------------------------- */

static const struct key keys[] = {
    [NUM_LAYERS] = { "num_layers", read_n_layers, NUM_LAYERS },
    [CONNECTION_RATE] = { "connection_rate", read_connection_rate, CONNECTION_RATE },
    [NETWORK_TYPE] = { "network_type", read_network_type, NETWORK_TYPE },
    [FUNCTIONS_COUNT] = { "cascade_activation_functions_count", read_count, FUNCTIONS_COUNT },
    [FUNCTIONS] = { "cascade_activation_functions", skip_list, FUNCTIONS_COUNT },
    [STEEPNESSES_COUNT] = { "cascade_activation_steepnesses_count", read_count, STEEPNESSES_COUNT },
    [STEEPNESSES] = { "cascade_activation_steepnesses", skip_list, STEEPNESSES_COUNT },
    [LAYER_SIZES] = { "layer_sizes", read_widths, NUM_LAYERS },
    [SCALE_INCLUDED] = { "scale_included", read_scale_included, LAYER_SIZES },
    [FIRST_SCALING] = { "scale_mean_in", read_scaling, SCALE_INCLUDED },
    { "scale_deviation_in", read_scaling, SCALE_INCLUDED },
    { "scale_new_min_in", read_scaling, SCALE_INCLUDED },
    { "scale_factor_in", read_scaling, SCALE_INCLUDED },
    { "scale_mean_out", read_scaling, SCALE_INCLUDED },
    { "scale_deviation_out", read_scaling, SCALE_INCLUDED },
    { "scale_new_min_out", read_scaling, SCALE_INCLUDED },
    { "scale_factor_out", read_scaling, SCALE_INCLUDED },
    [NEURONS] = { "neurons (num_inputs, activation_function, activation_steepness)", read_neurons, LAYER_SIZES },
    [CONNECTIONS] = { "connections (connected_to_neuron, weight)", read_connections, NEURONS },
    [FIRST_OF_TRAINING] = { "learning_rate", skip_number, NUM_LAYERS },
    { "learning_momentum", skip_number, NUM_LAYERS },
    { "training_algorithm", skip_whole, NUM_LAYERS },
    { "train_error_function", skip_whole, NUM_LAYERS },
    { "train_stop_function", skip_whole, NUM_LAYERS },
    { "cascade_output_change_fraction", skip_number, NUM_LAYERS },
    { "quickprop_decay", skip_number, NUM_LAYERS },
    { "quickprop_mu", skip_number, NUM_LAYERS },
    { "rprop_increase_factor", skip_number, NUM_LAYERS },
    { "rprop_decrease_factor", skip_number, NUM_LAYERS },
    { "rprop_delta_min", skip_number, NUM_LAYERS },
    { "rprop_delta_max", skip_number, NUM_LAYERS },
    { "rprop_delta_zero", skip_number, NUM_LAYERS },
    { "cascade_output_stagnation_epochs", skip_whole, NUM_LAYERS },
    { "cascade_candidate_change_fraction", skip_number, NUM_LAYERS },
    { "cascade_candidate_stagnation_epochs", skip_whole, NUM_LAYERS },
    { "cascade_max_out_epochs", skip_whole, NUM_LAYERS },
    { "cascade_min_out_epochs", skip_whole, NUM_LAYERS },
    { "cascade_max_cand_epochs", skip_whole, NUM_LAYERS },
    { "cascade_min_cand_epochs", skip_whole, NUM_LAYERS },
    { "cascade_num_candidate_groups", skip_whole, NUM_LAYERS },
    { "bit_fail_limit", skip_number, NUM_LAYERS },
    { "cascade_candidate_limit", skip_number, NUM_LAYERS },
    { "cascade_weight_multiplier", skip_number, NUM_LAYERS },
};

_Static_assert(COUNT(keys) <= MOST_KEYS, "seen[] has room for all keys");

static bp_status read_version(struct reader *reader)
{
    BPI_TRY(read_up_to(reader, ENDS_OF_VALUE));
    if (word_is(reader, "FANN_FLO_2.1") || word_is(reader, "FANN_FLO_2.0"))
        return BP_OK;
    const bool is_fann = reader->n_word >= 5 && memcmp(reader->word, "FANN_", 5) == 0;
    const bool is_fixed = reader->n_word >= 8 && memcmp(reader->word, "FANN_FIX", 8) == 0;
    return bpi_text_fail(reader->text, reader->at, is_fann ? BP_ERR_UNSUPPORTED : BP_ERR_FORMAT,
                         "expected FANN_FLO_2.1 or FANN_FLO_2.0, found %s%s", found(reader).text,
                         is_fixed ? ", a file of fixed point" : "");
}

/* Settings of which there is none else would do harm if they were left unread; so a key that is not known is refused. */
static bp_status read_setting(struct reader *reader)
{
    size_t key = 0;
    while (key < COUNT(keys) && !word_is(reader, keys[key].text))
        key++;
    if (key == COUNT(keys))
        return bpi_text_fail(reader->text, reader->at, BP_ERR_FORMAT, "expected a key of FANN 2.0 to 2.2, found %s",
                             found(reader).text);
    if (reader->seen[key])
        return bpi_text_fail(reader->text, reader->at, BP_ERR_FORMAT, "%s: expected once, found again", keys[key].text);
    if (keys[key].after != key && !reader->seen[keys[key].after])
        return bpi_text_fail(reader->text, reader->at, BP_ERR_FORMAT, "%s: expected behind %s", keys[key].text,
                             keys[keys[key].after].text);
    reader->seen[key] = true;
    BPI_TRY(expect_character(reader, '='));
    return keys[key].read(reader, key, keys[key].text);
}

static bp_status check_complete(struct reader *reader)
{
    for (size_t key = 0; key < FIRST_OF_TRAINING; key++) {
        const bool is_scaling = key >= FIRST_SCALING && key < NEURONS;
        const bool is_optional = (key >= FUNCTIONS_COUNT && key <= STEEPNESSES) || key == SCALE_INCLUDED;
        if (!reader->seen[key] && !is_optional && (!is_scaling || reader->is_scaled))
            return bpi_text_fail(reader->text, reader->at, BP_ERR_FORMAT, "expected %s, found the end", keys[key].text);
    }
    return BP_OK;
}

static bp_status read_file(struct reader *reader)
{
    BPI_TRY(read_version(reader));
    for (;;) {
        BPI_TRY(read_up_to(reader, "=\n"));
        if (reader->n_word == 0 && reader->text->next == BPI_TEXT_END)
            return check_complete(reader);
        BPI_TRY(read_setting(reader));
    }
}

/* ---- the network ----------------------------------------------------------------------------------------------------- */

/* FANN scales by ((x - mean) / deviation + 1) factor + new_min; this is (x - center) / scale. */
struct scaling {
    double center, scale;
};

static struct scaling scaling_of(const struct reader *reader, bool is_output, size_t column)
{
    if (!reader->is_scaled)
        return (struct scaling){ 0, 1 };
    const struct bpi_growing *arrays = reader->scaling[is_output];
    const double mean = ((const double *)arrays[MEAN].data)[column];
    const double deviation = ((const double *)arrays[DEVIATION].data)[column];
    const double new_min = ((const double *)arrays[NEW_MIN].data)[column];
    const double factor = ((const double *)arrays[FACTOR].data)[column];
    const double scale = deviation / factor;
    return (struct scaling){ mean - (factor + new_min) * scale, scale };
}

/* Whether any column is scaled by more than nothing. */
static bool does_scale(const struct reader *reader, bool is_output)
{
    for (size_t column = 0; column < n_columns(reader, is_output); column++) {
        const struct scaling scaling = scaling_of(reader, is_output, column);
        if (scaling.center != 0 || scaling.scale != 1)
            return true;
    }
    return false;
}

/* Of a layer of ours: 0 is the first above the inputs. */
static const struct meaning *meaning_of(const struct reader *reader, size_t layer)
{
    const struct meaning *meaning = &meanings[((const unsigned char *)reader->functions.data)[layer]];
    const bool is_output = layer + 2 == reader->n_layers;
    return is_output && meaning->g == BP_SIGMOID && does_scale(reader, true) ? &scaled_sigmoid : meaning;
}

static bp_status init_network(bp_network *net, const struct reader *reader)
{
    const size_t n = reader->n_layers - 1;
    struct bpi_plan plan = { 0 };
    const size_t layers_at = bpi_plan_array(&plan, n, sizeof(bp_layer_config));
    void *block;
    BPI_TRY(bpi_plan_allocate(&plan, reader->name, &reader->allocator, &block));
    bp_layer_config *layers = bpi_place(block, layers_at);
    for (size_t l = 0; l < n; l++)
        layers[l] = (bp_layer_config){ .n_out = width_of(reader, l + 1) - 1,
                                       .activation = meaning_of(reader, l)->g,
                                       .weights = { .kind = BP_INIT_ZEROS } };
    const bp_status status = bp_network_init(
        net, &(bp_network_config){
                 .n_in = n_columns(reader, false), .n_layers = n, .layers = layers, .allocator = &reader->allocator });
    bpi_release(&reader->allocator, block);
    return status;
}

/* False for what no bp_real holds. */
static bool to_real(double value, bp_real *real)
{
    const bool fits = fabs(value) <= (double)BP_REAL_MAX;
    *real = fits ? (bp_real)value : 0;
    return fits;
}

/*
 * With inputs out_factor g_k + out_shift from below, z = in_factor s (sum_k w_k (out_factor g_k + out_shift) + w_bias) + in_shift.
 */
static bool fold_neuron(const struct meaning *own, const struct meaning *below, double steepness, const double *weights,
                        size_t n_in, bp_real *W, bp_real *b)
{
    const double factor = own->in_factor * steepness;
    bool fits = true;
    double bias = weights[n_in];
    for (size_t k = 0; k < n_in; k++) {
        fits = to_real(factor * below->out_factor * weights[k], &W[k]) && fits;
        bias += below->out_shift * weights[k];
    }
    return to_real(factor * bias + own->in_shift, b) && fits;
}

static bp_status fill_layers(bp_network *net, const struct reader *reader)
{
    const struct meaning *below = &meanings[0]; /* the inputs as they are */
    const double *weights = reader->weights.data, *steepness = reader->steepnesses.data;
    for (size_t l = 0; l < net->n_layers; l++) {
        const bp_layer *layer = &net->layers[l];
        const struct meaning *own = meaning_of(reader, l);
        for (size_t j = 0; j < layer->n_out; j++, weights += layer->n_in + 1, steepness++)
            if (!fold_neuron(own, below, *steepness, weights, layer->n_in, layer->W + j * layer->n_in, &layer->b[j]))
                return bpi_fail(BP_ERR_NONFINITE,
                                "%s: layer %zu: a weight is too large once the steepness is multiplied in", reader->name,
                                l + 1);
        below = own;
    }
    return BP_OK;
}

/* Of the columns of inputs or outputs; the outputs' own factor and shift come first, then the file's scaling. */
static bp_status fill_scaling(const struct reader *reader, bool is_output, bp_real *center, bp_real *scale)
{
    const struct meaning *meaning = is_output ? meaning_of(reader, reader->n_layers - 2) : &meanings[0];
    for (size_t i = 0; i < n_columns(reader, is_output); i++) {
        const struct scaling scaling = scaling_of(reader, is_output, i);
        const bool fits = to_real(scaling.center + meaning->out_shift * scaling.scale, &center[i]) &&
                          to_real(meaning->out_factor * scaling.scale, &scale[i]);
        if (!fits || scale[i] == 0)
            return bpi_fail(BP_ERR_NONFINITE, "%s: the scaling of %s %zu is beyond the range of numbers", reader->name,
                            is_output ? "output" : "input", i);
    }
    return BP_OK;
}

static bp_status set_scaling(bp_network *net, const struct reader *reader)
{
    const struct meaning *meaning = meaning_of(reader, net->n_layers - 1);
    const bool has_in = does_scale(reader, false);
    const bool has_out = does_scale(reader, true) || meaning->out_factor != 1; /* which all have that shift */
    if (!has_in && !has_out)
        return BP_OK;
    struct bpi_plan plan = { 0 };
    const size_t in = bpi_plan_matrix(&plan, 2, net->n_in, sizeof(bp_real));
    const size_t out = bpi_plan_matrix(&plan, 2, net->n_out, sizeof(bp_real));
    void *block;
    BPI_TRY(bpi_plan_allocate(&plan, reader->name, &reader->allocator, &block));
    bp_real *in_center = bpi_place(block, in), *out_center = bpi_place(block, out);
    bp_real *in_scale = in_center + net->n_in, *out_scale = out_center + net->n_out;

    bp_status status = fill_scaling(reader, false, in_center, in_scale);
    if (status == BP_OK)
        status = fill_scaling(reader, true, out_center, out_scale);
    if (status == BP_OK)
        status = bp_network_set_scaling(net, has_in ? in_center : NULL, has_in ? in_scale : NULL,
                                        has_out ? out_center : NULL, has_out ? out_scale : NULL);
    bpi_release(&reader->allocator, block);
    return status;
}

static bp_status make_network(bp_network *net, const struct reader *reader)
{
    BPI_TRY(init_network(net, reader));
    bp_status status = fill_layers(net, reader);
    if (status == BP_OK)
        status = set_scaling(net, reader);
    if (status != BP_OK)
        bp_network_free(net);
    return status;
}

static bp_status read_and_close(bp_network *net, struct bpi_source *source)
{
    struct bpi_text text;
    struct reader reader = { .text = &text, .allocator = source->allocator, .name = source->name };
    bpi_text_open(&text, source);
    bp_status status = read_file(&reader);
    if (status == BP_OK)
        status = make_network(net, &reader);
    release(&reader);
    bpi_source_close(source);
    return status;
}

bp_status bp_network_load_fann(bp_network *net, const char *path, const bp_allocator *allocator)
{
    BPI_NOT_NULL(net);
    *net = (bp_network){ 0 };
    BPI_NOT_NULL(path);
    BPI_TRY(bpi_check_allocator(__func__, allocator));

    struct bpi_source source;
    BPI_TRY(bpi_source_open_path(&source, path, allocator));
    return read_and_close(net, &source);
}

bp_status bp_network_load_fann_memory(bp_network *net, const void *bytes, size_t size, const bp_allocator *allocator)
{
    BPI_NOT_NULL(net);
    *net = (bp_network){ 0 };
    BPI_NOT_NULL(bytes);
    BPI_TRY(bpi_check_allocator(__func__, allocator));

    struct bpi_source source;
    BPI_TRY(bpi_source_open_memory(&source, bytes, size, allocator));
    return read_and_close(net, &source);
}
