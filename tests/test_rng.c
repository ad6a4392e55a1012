// SPDX-License-Identifier: MIT
/*
 * Random numbers: the published outputs of the two generators, distributions within five standard errors, and numbers that
 * an independent program gives for the same seeds.
 *
 * That program: Python integers for the generators, rejection and Fisher-Yates; mpmath at 300 bits for the logarithm and
 * the square root of bp_rng_normal().
 *
 * All seeds are fixed, so a bound of five standard errors (one in 1.7 million) passes today and every day.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "backprop/rng.h"
#include "support/close.h"

#define COUNT(array) (sizeof(array) / sizeof(array)[0])

/* ---- The generators ---------------------------------------------------------------------------------------------- */

/* Vigna's splitmix64.c from the seed 1234567, as many implementations quote it. */
static void seeding_gives_the_published_splitmix64_outputs(void **state)
{
    (void)state;
    static const uint64_t published[] = { UINT64_C(6457827717110365317), UINT64_C(3203168211198807973),
                                          UINT64_C(9817491932198370423), UINT64_C(4593380528125082431),
                                          UINT64_C(16408922859458223821) };
    const uint64_t increment = UINT64_C(0x9e3779b97f4a7c15); /* SplitMix64's step: one seed on is one output on */
    bp_rng rng;

    for (uint64_t first = 0; first < 2; first++) {
        bp_rng_init(&rng, 1234567 + first * increment);
        assert_memory_equal(rng.state, published + first, sizeof rng.state);
    }
}

/* Blackman and Vigna's xoshiro256plusplus.c from the state 1, 2, 3, 4. */
static void generator_gives_the_published_xoshiro_outputs(void **state)
{
    (void)state;
    static const uint64_t published[] = {
        41943041,
        58720359,
        UINT64_C(3588806011781223),
        UINT64_C(3591011842654386),
        UINT64_C(9228616714210784205),
        UINT64_C(9973669472204895162),
        UINT64_C(14011001112246962877),
        UINT64_C(12406186145184390807),
        UINT64_C(15849039046786891736),
        UINT64_C(10450023813501588000),
    };
    bp_rng rng = { { 1, 2, 3, 4 } };

    for (size_t i = 0; i < COUNT(published); i++)
        assert_true(bp_rng_next(&rng) == published[i]);
}

static void seed_0_is_a_seed_like_any_other(void **state)
{
    (void)state;
    static const uint64_t by_python[] = { UINT64_C(0x53175d61490b23df), UINT64_C(0x61da6f3dc380d507),
                                          UINT64_C(0x5c0fdf91ec9a7bfc), UINT64_C(0x02eebf8c3bbe5e1a) };
    bp_rng rng;
    bp_rng_init(&rng, 0);

    for (size_t i = 0; i < COUNT(by_python); i++)
        assert_true(bp_rng_next(&rng) == by_python[i]);
}

static void copy_goes_on_with_the_same_numbers(void **state)
{
    (void)state;
    bp_rng rng;
    bp_rng_init(&rng, 5);
    (void)bp_rng_normal(&rng);
    bp_rng copy = rng;

    for (int i = 0; i < 100; i++) {
        assert_true(bp_rng_next(&rng) == bp_rng_next(&copy));
        assert_true(bp_rng_normal(&rng) == bp_rng_normal(&copy)); /* nothing is kept outside the state */
    }
}

/* Two unrelated sequences of 64 bits agree in half of them: 32 000 of 64 000, standard error sqrt(64 000) / 2 = 126. */
static void neighbouring_seeds_give_unrelated_sequences(void **state)
{
    (void)state;
    for (uint64_t seed = 0; seed < 20; seed++) {
        bp_rng a, b;
        bp_rng_init(&a, seed);
        bp_rng_init(&b, seed + 1);
        int n_equal = 0;
        for (int i = 0; i < 1000; i++)
            for (uint64_t differs = bp_rng_next(&a) ^ bp_rng_next(&b), bit = 0; bit < 64; bit++)
                n_equal += (differs >> bit & 1) == 0;
        assert_close(n_equal, 32000, 5 * 126);
    }
}

/* ---- uniform ----------------------------------------------------------------------------------------------------- */

/* A generator whose next output is this one: with s[0] = 0 that is s[3] rotated by 23. */
static bp_rng rng_before(uint64_t output)
{
    return (bp_rng){ { 0, UINT64_C(0x9e3779b97f4a7c15), UINT64_C(0xbf58476d1ce4e5b9), output >> 23 | output << 41 } };
}

static double uniform_of(uint64_t output)
{
    bp_rng rng = rng_before(output);
    return bp_rng_uniform(&rng);
}

static void uniform_is_the_upper_53_bits_over_2_to_the_53(void **state)
{
    (void)state;
    assert_true(uniform_of(0) == 0.0);
    assert_true(uniform_of((UINT64_C(1) << 11) - 1) == 0.0);
    assert_true(uniform_of(UINT64_C(1) << 11) == 0x1p-53);
    assert_true(uniform_of(UINT64_C(1) << 63) == 0.5);
    assert_true(uniform_of(UINT64_MAX) == 1.0 - 0x1p-53); /* the largest, and below 1 */
}

/* The k-th moment of [0, 1) is 1 / (k + 1); x^k has the variance 1 / (2 k + 1) - 1 / (k + 1)^2. */
static void uniform_has_the_moments_of_its_distribution(void **state)
{
    (void)state;
    enum { N = 1000000 };
    double sums[5] = { 0 };
    bp_rng rng;
    bp_rng_init(&rng, 1);
    for (int i = 0; i < N; i++) {
        const double x = bp_rng_uniform(&rng);
        assert_true(x >= 0 && x < 1);
        for (int k = 1; k <= 4; k++)
            sums[k] += pow(x, k);
    }
    for (int k = 1; k <= 4; k++) {
        const double mean = 1.0 / (k + 1), variance = 1.0 / (2 * k + 1) - mean * mean;
        assert_close(sums[k] / N, mean, 5 * sqrt(variance / N));
    }
}

/* ---- below ------------------------------------------------------------------------------------------------------- */

static void below_0_and_1_is_0(void **state)
{
    (void)state;
    bp_rng rng;
    bp_rng_init(&rng, 2);
    for (int i = 0; i < 100; i++) {
        assert_true(bp_rng_below(&rng, 0) == 0);
        assert_true(bp_rng_below(&rng, 1) == 0);
    }
}

static void below_stays_below_any_bound(void **state)
{
    (void)state;
    const uint64_t one = 1, bounds[] = { 2, 3, 10, (one << 32) + 1, one << 63, (one << 63) + 1, UINT64_MAX };
    bp_rng rng;
    bp_rng_init(&rng, 3);
    for (size_t b = 0; b < COUNT(bounds); b++)
        for (int i = 0; i < 1000; i++)
            assert_true(bp_rng_below(&rng, bounds[b]) < bounds[b]);
}

static void below_gives_the_numbers_of_an_independent_program(void **state)
{
    (void)state;
    static const struct {
        uint64_t bound, by_python;
    } draws[] = {
        { 6, 5 },
        { 6, 1 },
        { 6, 4 },
        { 1000, 330 },
        { UINT64_C(1000000000000), UINT64_C(204379184874) },
        { (UINT64_C(1) << 63) + 1, UINT64_C(6590051340644581997) },
        { UINT64_C(3) << 62, UINT64_C(1761826535532906841) },
        { UINT64_MAX, UINT64_C(5439680534584881407) },
    };
    bp_rng rng;
    bp_rng_init(&rng, 0);
    for (size_t i = 0; i < COUNT(draws); i++)
        assert_true(bp_rng_below(&rng, draws[i].bound) == draws[i].by_python);
}

/* 2^64 mod (3 2^62) = 2^62 numbers are drawn again, those below 2^62; the first one that counts is 2^62 itself. */
static void below_draws_again_exactly_where_it_must(void **state)
{
    (void)state;
    const uint64_t fair = UINT64_C(1) << 62, bound = 3 * fair;
    bp_rng rng = rng_before(fair), unfair = rng_before(fair - 1), next = unfair;
    assert_true(bp_rng_below(&rng, bound) == fair);

    (void)bp_rng_next(&next);
    const uint64_t second = bp_rng_next(&next);
    assert_true(second >= fair);
    assert_true(bp_rng_below(&unfair, bound) == second % bound);
}

/* sum (observed - expected)^2 / expected has the mean n - 1 and the variance 2 (n - 1) where all n are equally likely. */
static void assert_equally_likely(size_t n, const size_t *counts, size_t n_draws)
{
    const double expected = (double)n_draws / (double)n, freedom = (double)(n - 1);
    double chi_square = 0;
    for (size_t i = 0; i < n; i++)
        chi_square += ((double)counts[i] - expected) * ((double)counts[i] - expected) / expected;
    assert_close(chi_square, freedom, 5 * sqrt(2 * freedom));
}

static void below_is_equally_likely_everywhere(void **state)
{
    (void)state;
    enum { DRAWS = 300000 };
    const size_t bounds[] = { 2, 6, 7, 10, 100 };
    for (size_t b = 0; b < COUNT(bounds); b++) {
        size_t counts[100] = { 0 };
        bp_rng rng;
        bp_rng_init(&rng, 4);
        for (int i = 0; i < DRAWS; i++)
            counts[bp_rng_below(&rng, bounds[b])]++;
        assert_equally_likely(bounds[b], counts, DRAWS);
    }
}

/* 2^64 mod (3 2^62) = 2^62: a remainder without rejection would fall into the first third half of the time. */
static void below_has_no_modulo_bias(void **state)
{
    (void)state;
    enum { DRAWS = 30000 };
    const uint64_t third = UINT64_C(1) << 62;
    size_t counts[3] = { 0 };
    bp_rng rng;
    bp_rng_init(&rng, 5);
    for (int i = 0; i < DRAWS; i++)
        counts[bp_rng_below(&rng, 3 * third) / third]++;
    assert_equally_likely(3, counts, DRAWS);
}

/* ---- normal ------------------------------------------------------------------------------------------------------ */

/* Our own logarithm and one product, quotient and square root: a few times 2^-53. */
static void normal_gives_the_numbers_of_an_independent_program(void **state)
{
    (void)state;
    static const double by_mpmath[] = {
        -1.541182607223072555,   -0.0040411826723575047057, 0.11165681497434186024,  -0.20607825116700082575,
        -0.18902784760284056068, -0.66223185984732489579,   0.2844036113202474533,   -1.6783728920956627953,
        -0.39662504331594791568, -1.0741211008139267889,    -0.90950519274810673945, -1.4152167811261117914,
    };
    bp_rng rng;
    bp_rng_init(&rng, 0);
    for (size_t i = 0; i < COUNT(by_mpmath); i++)
        assert_close(bp_rng_normal(&rng), by_mpmath[i], 1e-15 * fabs(by_mpmath[i]));
}

/*
 * The arithmetic of rng.c in Python's doubles gave this number, each bit of 10 000 draws in it: so compiler, libm and fused
 * multiply-add make no difference.
 */
static void normal_has_the_same_bits_on_every_platform(void **state)
{
    (void)state;
    uint64_t mixed = 0;
    bp_rng rng;
    bp_rng_init(&rng, 0);
    for (int i = 0; i < 10000; i++) {
        const double x = bp_rng_normal(&rng);
        uint64_t bits;
        memcpy(&bits, &x, sizeof bits);
        mixed = (mixed << 7 | mixed >> 57) ^ bits;
    }
    assert_true(mixed == UINT64_C(0xe5be7e8aee60dce));
}

/* E x^k = 0, 1, 0, 3; x^k has the variances 1, 2, 15, 96. */
static void normal_has_the_moments_of_its_distribution(void **state)
{
    (void)state;
    enum { N = 1000000 };
    const double means[] = { 1, 0, 1, 0, 3 }, variances[] = { 0, 1, 2, 15, 96 };
    double sums[5] = { 0 };
    bp_rng rng;
    bp_rng_init(&rng, 6);
    for (int i = 0; i < N; i++) {
        const double x = bp_rng_normal(&rng);
        for (int k = 1; k <= 4; k++)
            sums[k] += pow(x, k);
    }
    for (int k = 1; k <= 4; k++)
        assert_close(sums[k] / N, means[k], 5 * sqrt(variances[k] / N));
}

static int compare_doubles(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* Kolmogorov: P(sqrt(n) D > q) is about 2 exp(-2 q^2), which five standard errors' one in 1.7 million makes q = 2.74. */
static void normal_has_the_distribution_function_of_erf(void **state)
{
    (void)state;
    enum { N = 100000 };
    static double x[N];
    bp_rng rng;
    bp_rng_init(&rng, 7);
    for (int i = 0; i < N; i++)
        x[i] = bp_rng_normal(&rng);
    qsort(x, N, sizeof x[0], compare_doubles);

    double distance = 0;
    for (int i = 0; i < N; i++) {
        const double phi = erfc(-x[i] / sqrt(2)) / 2;
        distance = fmax(distance, fmax(phi - (double)i / N, (double)(i + 1) / N - phi));
    }
    assert_true(distance * sqrt(N) < 2.74);
}

/* Consecutive numbers must not depend on each other: the polar method makes them in pairs and could hand out both. */
static void neighbouring_normals_are_uncorrelated(void **state)
{
    (void)state;
    enum { N = 300000 };
    double sum = 0, sum_of_squares = 0;
    bp_rng rng;
    bp_rng_init(&rng, 8);
    double before = bp_rng_normal(&rng);
    for (int i = 0; i < N; i++) {
        const double x = bp_rng_normal(&rng);
        sum += x * before;
        sum_of_squares += (x * x - 1) * (before * before - 1);
        before = x;
    }
    assert_close(sum / N, 0, 5 * sqrt(1.0 / N));
    assert_close(sum_of_squares / N, 0, 5 * sqrt(4.0 / N));
}

/* ---- shuffle ----------------------------------------------------------------------------------------------------- */

static void shuffle_gives_the_order_of_an_independent_program(void **state)
{
    (void)state;
    const size_t by_python[] = { 0, 5, 1, 2, 9, 7, 6, 8, 4, 3 };
    size_t indices[] = { 0, 1, 2, 3, 4, 5, 6, 7, 8, 9 };
    bp_rng rng;
    bp_rng_init(&rng, 0);
    bp_rng_shuffle(&rng, indices, COUNT(indices));

    assert_memory_equal(indices, by_python, sizeof indices);
}

static void shuffle_keeps_every_entry(void **state)
{
    (void)state;
    enum { MOST = 1000 };
    const size_t sizes[] = { 1, 2, 3, 64, MOST };
    bp_rng rng;
    bp_rng_init(&rng, 9);
    for (size_t s = 0; s < COUNT(sizes); s++) {
        size_t indices[MOST], n_seen[MOST] = { 0 };
        for (size_t i = 0; i < sizes[s]; i++)
            indices[i] = i;
        bp_rng_shuffle(&rng, indices, sizes[s]);
        for (size_t i = 0; i < sizes[s]; i++) {
            assert_true(indices[i] < sizes[s]);
            assert_int_equal(n_seen[indices[i]]++, 0);
        }
    }
}

/* None and one entry have one order only. */
static void shuffle_of_nothing_touches_nothing(void **state)
{
    (void)state;
    size_t guarded[] = { 11, 22, 33 };
    bp_rng rng;
    bp_rng_init(&rng, 10);
    bp_rng_shuffle(&rng, NULL, 0);
    bp_rng_shuffle(&rng, guarded + 1, 0);
    bp_rng_shuffle(&rng, guarded + 1, 1);

    assert_memory_equal(guarded, ((size_t[]){ 11, 22, 33 }), sizeof guarded);
}

/* The number of an order of 0 .. 3 among all 24: how many later entries are smaller, in the factorial number system. */
static size_t rank_of_order(const size_t order[4])
{
    size_t rank = 0;
    for (size_t i = 0; i < 4; i++) {
        size_t n_smaller = 0;
        for (size_t j = i + 1; j < 4; j++)
            n_smaller += order[j] < order[i];
        rank = rank * (4 - i) + n_smaller;
    }
    return rank;
}

static void shuffle_makes_all_24_orders_of_4_equally_likely(void **state)
{
    (void)state;
    enum { DRAWS = 240000 };
    size_t counts[24] = { 0 };
    bp_rng rng;
    bp_rng_init(&rng, 11);
    for (int i = 0; i < DRAWS; i++) {
        size_t order[4] = { 0, 1, 2, 3 };
        bp_rng_shuffle(&rng, order, 4);
        counts[rank_of_order(order)]++;
    }
    assert_equally_likely(24, counts, DRAWS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(seeding_gives_the_published_splitmix64_outputs),
        cmocka_unit_test(generator_gives_the_published_xoshiro_outputs),
        cmocka_unit_test(seed_0_is_a_seed_like_any_other),
        cmocka_unit_test(copy_goes_on_with_the_same_numbers),
        cmocka_unit_test(neighbouring_seeds_give_unrelated_sequences),
        cmocka_unit_test(uniform_is_the_upper_53_bits_over_2_to_the_53),
        cmocka_unit_test(uniform_has_the_moments_of_its_distribution),
        cmocka_unit_test(below_0_and_1_is_0),
        cmocka_unit_test(below_stays_below_any_bound),
        cmocka_unit_test(below_gives_the_numbers_of_an_independent_program),
        cmocka_unit_test(below_draws_again_exactly_where_it_must),
        cmocka_unit_test(below_is_equally_likely_everywhere),
        cmocka_unit_test(below_has_no_modulo_bias),
        cmocka_unit_test(normal_gives_the_numbers_of_an_independent_program),
        cmocka_unit_test(normal_has_the_same_bits_on_every_platform),
        cmocka_unit_test(normal_has_the_moments_of_its_distribution),
        cmocka_unit_test(normal_has_the_distribution_function_of_erf),
        cmocka_unit_test(neighbouring_normals_are_uncorrelated),
        cmocka_unit_test(shuffle_gives_the_order_of_an_independent_program),
        cmocka_unit_test(shuffle_keeps_every_entry),
        cmocka_unit_test(shuffle_of_nothing_touches_nothing),
        cmocka_unit_test(shuffle_makes_all_24_orders_of_4_equally_likely),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
