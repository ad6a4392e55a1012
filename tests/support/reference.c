// SPDX-License-Identifier: MIT
/*
 * The format of tests/reference/FORMAT.md as three tables: which lines there are and in which order, which settings a line
 * takes, which blocks follow. The code below only walks the tables.
 */
#include "support/reference.h"

#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define COUNT(array) (sizeof(array) / sizeof(array)[0])

/* ---- The vocabulary -------------------------------------------------------------------------------------------------- */

enum content {
    NAME,    /* one word: the name of the case */
    INTEGER, /* one whole number, at least 1 */
    DECIMAL, /* one number */
    SETTINGS /* key=value, once or more */
};

struct line_rule {
    const char *name;
    enum content content;
    bool optional, repeats;
    size_t offset; /* NAME, INTEGER and sensitivity: where in struct reference it goes; 0: into `lines` */
};

#define AT(field) offsetof(struct reference, field)

/* In the order in which they stand in a file. */
static const struct line_rule line_rules[] = {
    { .name = "case", .content = NAME },
    { .name = "inputs", .content = INTEGER, .offset = AT(n_in) },
    { .name = "layer", .content = SETTINGS, .repeats = true },
    { .name = "loss", .content = SETTINGS },
    { .name = "optimizer", .content = SETTINGS },
    { .name = "schedule", .content = SETTINGS, .optional = true },
    { .name = "l1", .content = DECIMAL, .optional = true },
    { .name = "l2", .content = DECIMAL, .optional = true },
    { .name = "clip_norm", .content = DECIMAL, .optional = true },
    { .name = "clip_value", .content = DECIMAL, .optional = true },
    { .name = "rows", .content = INTEGER, .offset = AT(rows) },
    { .name = "steps", .content = INTEGER, .offset = AT(steps) },
    { .name = "sensitivity", .content = DECIMAL, .optional = true, .offset = AT(sensitivity) },
};

enum value { WORD, NUMBER, WHOLE, FLAG /* 1, or the key is not there */ };

struct setting_rule {
    const char *line, *key;
    enum value value;
    const char *words; /* WORD: those allowed, a space before and after each */
    bool required;
};

static const struct setting_rule setting_rules[] = {
    { "layer", "units", WHOLE, NULL, true },
    { "layer", "activation", WORD,
      " identity sigmoid tanh relu leaky_relu elu selu gelu gelu_tanh silu mish softplus softsign hard_sigmoid hard_tanh"
      " gaussian sine softmax ",
      true },
    { "layer", "parameter", NUMBER, NULL, false },
    { "layer", "normalization", WORD, " batch layer ", false },
    { "loss", "kind", WORD, " mse mae huber quantile binary_cross_entropy cross_entropy poisson ", true },
    { "loss", "delta", NUMBER, NULL, false },
    { "loss", "q", NUMBER, NULL, false },
    { "loss", "label_smoothing", NUMBER, NULL, false },
    { "loss", "reduction", WORD, " sum ", false },
    { "optimizer", "kind", WORD, " sgd adam adamw nadam adagrad adadelta rmsprop rprop ", true },
    { "optimizer", "learning_rate", NUMBER, NULL, true },
    { "optimizer", "momentum", NUMBER, NULL, false },
    { "optimizer", "nesterov", FLAG, NULL, false },
    { "optimizer", "beta1", NUMBER, NULL, false },
    { "optimizer", "beta2", NUMBER, NULL, false },
    { "optimizer", "epsilon", NUMBER, NULL, false },
    { "optimizer", "amsgrad", FLAG, NULL, false },
    { "optimizer", "momentum_decay", NUMBER, NULL, false },
    { "optimizer", "rho", NUMBER, NULL, false },
    { "optimizer", "centered", FLAG, NULL, false },
    { "optimizer", "weight_decay", NUMBER, NULL, false },
    { "schedule", "kind", WORD, " step exponential inverse_time polynomial cosine ", true },
    { "schedule", "gamma", NUMBER, NULL, false },
    { "schedule", "period", WHOLE, NULL, false },
    { "schedule", "power", NUMBER, NULL, false },
    { "schedule", "minimum", NUMBER, NULL, false },
    { "schedule", "warmup", WHOLE, NULL, false },
};

enum shape { ROWS_BY_INPUTS, ROWS_BY_OUTPUTS, PARAMETERS, ROWS, ONE, STEPS, STEPS_BY_100, STATISTICS };

enum presence { ALWAYS, TRAJECTORY, TRACE, AT_WILL, NORMALIZED };

struct block_rule {
    const char *name;
    enum shape shape;
    enum presence presence;
    size_t offset;
};

/* In the order in which they stand in a file. */
static const struct block_rule block_rules[] = {
    { "x", ROWS_BY_INPUTS, ALWAYS, AT(x) },
    { "y", ROWS_BY_OUTPUTS, ALWAYS, AT(y) },
    { "parameters_start", PARAMETERS, ALWAYS, AT(parameters_start) },
    { "sample_weights", ROWS, AT_WILL, AT(sample_weights) },
    { "outputs_start", ROWS_BY_OUTPUTS, TRAJECTORY, AT(outputs_start) },
    { "loss_start", ONE, TRAJECTORY, AT(loss_start) },
    { "gradient_start", PARAMETERS, TRAJECTORY, AT(gradient_start) },
    { "input_gradient_start", ROWS_BY_INPUTS, TRAJECTORY, AT(input_gradient_start) },
    { "losses", STEPS, TRAJECTORY, AT(losses) },
    { "losses_every_100", STEPS_BY_100, TRACE, AT(losses) },
    { "parameters_end", PARAMETERS, ALWAYS, AT(parameters_end) },
    { "running_statistics_end", STATISTICS, NORMALIZED, AT(running_statistics_end) },
    { "outputs_end_inference", ROWS_BY_OUTPUTS, ALWAYS, AT(outputs_end_inference) },
};

/* ---- Lines and words ------------------------------------------------------------------------------------------------- */

struct parser {
    struct reference *to;
    const char *path;
    size_t line;       /* its number, from 1; of `words` */
    char *next;        /* the line after that */
    char *rest;        /* what is left of the line; NULL: nothing */
    const char *name;  /* its first word; NULL at the end of the file */
    size_t n_numbers;  /* used of to->numbers */
    size_t statistics; /* numbers of running_statistics_end */
};

static bool fail(struct parser *p, const char *format, ...)
{
    char reason[160];
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(reason, sizeof reason, format, arguments);
    va_end(arguments);
    (void)snprintf(p->to->error, sizeof p->to->error, "%.300s:%zu: %s", p->path, p->line, reason);
    return false;
}

/* Cuts the next word off the line. Words are parted by single spaces: an empty word is what two of them give. */
static char *next_word(struct parser *p)
{
    char *word = p->rest;
    if (word == NULL)
        return NULL;
    char *space = strchr(word, ' ');
    if (space != NULL)
        *space++ = '\0';
    p->rest = space;
    return word;
}

static bool next_line(struct parser *p)
{
    p->line++;
    p->name = NULL;
    if (*p->next == '\0')
        return true;
    char *end = strchr(p->next, '\n');
    if (end == NULL)
        return fail(p, "the last line does not end");
    *end = '\0';
    p->rest = p->next;
    p->next = end + 1;
    p->name = next_word(p);
    return true;
}

static bool end_of_line(struct parser *p)
{
    return p->rest == NULL ? next_line(p) : fail(p, "'%s' is too much", p->rest);
}

static bool name_is(const struct parser *p, const char *name)
{
    return p->name != NULL && strcmp(p->name, name) == 0;
}

/* Finite and decimal: strtod alone would take blanks, nan and 0x10 as well. */
static bool parse_number(struct parser *p, const char *word, double *number)
{
    char *end = NULL;
    errno = 0;
    if (word == NULL || *word == '\0' || word[strspn(word, "0123456789+-.e")] != '\0')
        return fail(p, "'%s' is no number", word != NULL ? word : "");
    *number = strtod(word, &end);
    if (*end != '\0' || !isfinite(*number) || errno != 0)
        return fail(p, "'%s' is no number", word);
    return true;
}

static bool parse_whole(struct parser *p, const char *word, size_t *number)
{
    if (word == NULL || !isdigit((unsigned char)*word) || word[strspn(word, "0123456789")] != '\0' || strlen(word) > 6)
        return fail(p, "'%s' is no whole number below a million", word != NULL ? word : "");
    *number = (size_t)strtoul(word, NULL, 10);
    return *number > 0 || fail(p, "'%s' is not above 0", word);
}

/* ---- Header ---------------------------------------------------------------------------------------------------------- */

static const struct setting_rule *find_setting(const char *line, const char *key)
{
    for (size_t i = 0; i < COUNT(setting_rules); i++)
        if (strcmp(setting_rules[i].line, line) == 0 && strcmp(setting_rules[i].key, key) == 0)
            return &setting_rules[i];
    return NULL;
}

static const struct reference_setting *setting_of(const struct reference_line *line, const char *key)
{
    for (size_t i = 0; i < line->n; i++)
        if (strcmp(line->settings[i].key, key) == 0)
            return &line->settings[i];
    return NULL;
}

static bool is_among(const char *word, const char *words)
{
    const size_t length = strlen(word);
    for (const char *at = words; length > 0 && (at = strstr(at, word)) != NULL; at += length)
        if (at[-1] == ' ' && at[length] == ' ')
            return true;
    return false;
}

static bool parse_value(struct parser *p, const struct setting_rule *rule, const char *text, struct reference_setting *to)
{
    size_t whole = 1;
    *to = (struct reference_setting){ .key = rule->key };
    if (rule->value == WORD) {
        to->word = text;
        return is_among(text, rule->words) || fail(p, "'%s' is no %s of a %s", text, rule->key, rule->line);
    }
    if (rule->value == NUMBER)
        return parse_number(p, text, &to->number);
    if (!parse_whole(p, text, &whole))
        return false;
    to->number = (double)whole;
    return rule->value != FLAG || whole == 1 || fail(p, "%s is %s, expected 1 or nothing", rule->key, text);
}

static bool parse_setting(struct parser *p, struct reference_line *line, char *word)
{
    char *value = strchr(word, '=');
    if (value == NULL)
        return fail(p, "'%s' is not key=value", word);
    *value++ = '\0';

    const struct setting_rule *rule = find_setting(line->name, word);
    if (rule == NULL)
        return fail(p, "a %s has no key '%s'", line->name, word);
    if (setting_of(line, word) != NULL)
        return fail(p, "'%s' comes twice", word);
    if (line->n == REFERENCE_MAX_SETTINGS)
        return fail(p, "more than %d settings", REFERENCE_MAX_SETTINGS);
    return parse_value(p, rule, value, &line->settings[line->n++]);
}

static bool parse_settings(struct parser *p, struct reference_line *line)
{
    char *word;
    while ((word = next_word(p)) != NULL)
        if (!parse_setting(p, line, word))
            return false;
    for (size_t i = 0; i < COUNT(setting_rules); i++)
        if (strcmp(setting_rules[i].line, line->name) == 0 && setting_rules[i].required &&
            setting_of(line, setting_rules[i].key) == NULL)
            return fail(p, "a %s without %s", line->name, setting_rules[i].key);
    return true;
}

/* A line for the test to translate: settings, or a bare number. */
static bool parse_for_test(struct parser *p, const struct line_rule *rule)
{
    struct reference *to = p->to;
    if (to->n_lines == REFERENCE_MAX_LINES)
        return fail(p, "more than %d lines to keep", REFERENCE_MAX_LINES);
    struct reference_line *line = &to->lines[to->n_lines++];
    line->name = rule->name;
    if (rule->content == SETTINGS)
        return parse_settings(p, line);
    line->n = 1;
    line->settings[0] = (struct reference_setting){ .key = "value" };
    return parse_number(p, next_word(p), &line->settings[0].number);
}

static bool parse_line(struct parser *p, const struct line_rule *rule)
{
    void *field = (char *)p->to + rule->offset;
    if (rule->content == NAME) {
        p->to->name = next_word(p);
        return (p->to->name != NULL && *p->to->name != '\0') || fail(p, "a case without a name");
    }
    if (rule->offset == 0)
        return parse_for_test(p, rule);
    return rule->content == INTEGER ? parse_whole(p, next_word(p), field) : parse_number(p, next_word(p), field);
}

static bool parse_header(struct parser *p)
{
    for (size_t i = 0; i < COUNT(line_rules); i++) {
        const struct line_rule *rule = &line_rules[i];
        if (!rule->optional && !name_is(p, rule->name))
            return fail(p, "expected '%s', found '%s'", rule->name, p->name != NULL ? p->name : "end of file");
        for (bool again = true; again && name_is(p, rule->name); again = rule->repeats)
            if (!parse_line(p, rule) || !end_of_line(p))
                return false;
    }
    return true;
}

/* What follows from the layers: how many outputs, parameters and running statistics there are. */
static void measure(struct parser *p)
{
    struct reference *to = p->to;
    size_t n_in = to->n_in;
    for (size_t i = 0; i < to->n_lines; i++) {
        const struct reference_line *line = &to->lines[i];
        if (strcmp(line->name, "layer") != 0)
            continue;
        const size_t n_out = (size_t)setting_of(line, "units")->number;
        const struct reference_setting *normalization = setting_of(line, "normalization");
        to->n_layers++;
        to->n_params += n_out * n_in + n_out + (normalization != NULL ? 2 * n_out : 0);
        if (normalization != NULL && strcmp(normalization->word, "batch") == 0)
            p->statistics += 2 * n_out;
        n_in = n_out;
    }
    to->n_out = n_in;
    to->is_trace = !(to->sensitivity > 0);
}

/* ---- Blocks ---------------------------------------------------------------------------------------------------------- */

static size_t size_of(const struct parser *p, enum shape shape)
{
    const struct reference *r = p->to;
    switch (shape) {
    case ROWS_BY_INPUTS:
        return r->rows * r->n_in;
    case ROWS_BY_OUTPUTS:
        return r->rows * r->n_out;
    case PARAMETERS:
        return r->n_params;
    case ROWS:
        return r->rows;
    case STEPS:
        return r->steps;
    case STEPS_BY_100:
        return (r->steps + 99) / 100;
    case STATISTICS:
        return p->statistics;
    case ONE:
        break;
    }
    return 1;
}

static bool is_expected(const struct parser *p, const struct block_rule *rule)
{
    switch (rule->presence) {
    case TRAJECTORY:
        return !p->to->is_trace;
    case TRACE:
        return p->to->is_trace;
    case AT_WILL:
        return name_is(p, rule->name);
    case NORMALIZED:
        return p->statistics > 0;
    case ALWAYS:
        break;
    }
    return true;
}

/* `numbers` has a place for every line of the file, and a number takes a line: it cannot overflow. */
static bool parse_block(struct parser *p, const struct block_rule *rule)
{
    const size_t expected = size_of(p, rule->shape);
    size_t n = 0;
    if (!name_is(p, rule->name))
        return fail(p, "expected '%s', found '%s'", rule->name, p->name != NULL ? p->name : "end of file");
    if (!parse_whole(p, next_word(p), &n))
        return false;
    if (n != expected)
        return fail(p, "%s has %zu numbers, its shape asks for %zu", rule->name, n, expected);
    if (!end_of_line(p))
        return false;

    double *values = p->to->numbers + p->n_numbers;
    for (size_t i = 0; i < n; i++, p->n_numbers++)
        if (!parse_number(p, p->name, &values[i]) || !end_of_line(p))
            return false;
    const struct reference_block block = { .name = rule->name, .n = n, .values = values };
    memcpy((char *)p->to + rule->offset, &block, sizeof block);
    return true;
}

static bool parse_all(struct parser *p)
{
    if (!next_line(p) || !parse_header(p))
        return false;
    measure(p);
    for (size_t i = 0; i < COUNT(block_rules); i++)
        if (is_expected(p, &block_rules[i]) && !parse_block(p, &block_rules[i]))
            return false;
    return p->name == NULL || fail(p, "'%s' after the last block", p->name);
}

/* ---- Reading --------------------------------------------------------------------------------------------------------- */

static size_t count_lines(const char *text)
{
    size_t n = 0;
    for (; *text != '\0'; text++)
        n += *text == '\n';
    return n;
}

bool reference_parse(struct reference *reference, const char *path, const char *text)
{
    const size_t size = strlen(text) + 1;
    *reference = (struct reference){ .text = malloc(size), .numbers = malloc((count_lines(text) + 1) * sizeof(double)) };
    struct parser parser = { .to = reference, .path = path, .next = reference->text };
    bool is_right = false;
    if (reference->text == NULL || reference->numbers == NULL) {
        fail(&parser, "out of memory");
    } else {
        memcpy(reference->text, text, size);
        is_right = parse_all(&parser);
    }
    if (!is_right)
        reference_free(reference);
    return is_right;
}

/* The bytes of a file as a string, or NULL. */
static char *read_text(const char *path)
{
    size_t n = 0, capacity = (size_t)1 << 16;
    char *text = malloc(capacity), *more;
    FILE *file = fopen(path, "rb");
    while (text != NULL && file != NULL) {
        n += fread(text + n, 1, capacity - n, file);
        if (n < capacity) {
            text[n] = '\0';
            break;
        }
        capacity *= 2;
        if ((more = realloc(text, capacity)) == NULL)
            free(text);
        text = more;
    }
    if (file == NULL || ferror(file) || (text != NULL && strlen(text) != n)) {
        free(text);
        text = NULL;
    }
    if (file != NULL)
        (void)fclose(file);
    return text;
}

bool reference_read(struct reference *reference, const char *path)
{
    char *text = read_text(path);
    if (text == NULL) {
        *reference = (struct reference){ 0 };
        (void)snprintf(reference->error, sizeof reference->error, "%.300s: cannot be read as text", path);
        return false;
    }
    const bool is_right = reference_parse(reference, path, text);
    free(text);
    return is_right;
}

void reference_free(struct reference *reference)
{
    free(reference->text);
    free(reference->numbers);
    reference->text = NULL;
    reference->numbers = NULL;
}
