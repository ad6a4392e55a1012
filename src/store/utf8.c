// SPDX-License-Identifier: MIT
/*
 * Well-formed byte sequences of UTF-8: RFC 3629, section 4.
 */
#include "store/utf8.h"

/* What a first byte from `first` on announces: n bytes, the second of them in low .. high. */
struct lead {
    unsigned char first, n, low, high;
};

static const struct lead leads[] = {
    { 0x00, 1, 0, 0 },       { 0x80, 0, 0, 0 },       { 0xC2, 2, 0x80, 0xBF }, { 0xE0, 3, 0xA0, 0xBF },
    { 0xE1, 3, 0x80, 0xBF }, { 0xED, 3, 0x80, 0x9F }, { 0xEE, 3, 0x80, 0xBF }, { 0xF0, 4, 0x90, 0xBF },
    { 0xF1, 4, 0x80, 0xBF }, { 0xF4, 4, 0x80, 0x8F }, { 0xF5, 0, 0, 0 },
};

static const struct lead *lead_of(unsigned char first)
{
    const struct lead *lead = leads;
    for (size_t i = 0; i < sizeof leads / sizeof leads[0] && leads[i].first <= first; i++)
        lead = &leads[i];
    return lead;
}

size_t bpi_utf8_length(const char *text, size_t n)
{
    if (n == 0)
        return 0;
    const unsigned char *bytes = (const unsigned char *)text;
    const struct lead *lead = lead_of(bytes[0]);
    if (lead->n > n)
        return 0;
    if (lead->n >= 2 && (bytes[1] < lead->low || bytes[1] > lead->high))
        return 0;
    for (size_t i = 2; i < lead->n; i++)
        if ((bytes[i] & 0xC0) != 0x80)
            return 0;
    return lead->n;
}

bool bpi_utf8_is_valid(const char *text, size_t n)
{
    for (size_t i = 0; i < n;) {
        const size_t length = bpi_utf8_length(text + i, n - i);
        if (length == 0)
            return false;
        i += length;
    }
    return true;
}
