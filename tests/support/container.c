// SPDX-License-Identifier: MIT
/*
 * Safetensors files made by hand.
 */
#include "support/container.h"

#include <string.h>

void test_put_length(unsigned char bytes[8], uint64_t length)
{
    for (int i = 0; i < 8; i++)
        bytes[i] = (unsigned char)(length >> 8 * i);
}

/* The byte behind the brace that closes the one at 8; n if there is none. Quotes are looked for, and escaped ones. */
static size_t end_of_object(const unsigned char *bytes, size_t n)
{
    size_t depth = 0;
    bool in_string = false;
    for (size_t i = 8; i < n; i++) {
        if (in_string && bytes[i] == '\\')
            i++;
        else if (bytes[i] == '"')
            in_string = !in_string;
        else if (!in_string && bytes[i] == '{')
            depth++;
        else if (!in_string && bytes[i] == '}' && --depth == 0)
            return i + 1;
        if (depth == 0)
            break;
    }
    return n;
}

static bool are_blank(const unsigned char *bytes, size_t n)
{
    while (n > 0 && bytes[n - 1] == ' ')
        n--;
    return n == 0;
}

/* Where the header ends, at most n. */
static size_t end_of_header(const unsigned char *bytes, size_t n)
{
    uint64_t length = 0;
    for (int i = 0; i < 8; i++)
        length |= (uint64_t)bytes[i] << 8 * i;
    return length < n - 8 ? 8 + (size_t)length : n;
}

bool test_mend_length(unsigned char *bytes, size_t n)
{
    if (n <= 8)
        return false;
    const size_t end = end_of_object(bytes, n), said = end_of_header(bytes, n);
    if (end == n && bytes[n - 1] != '}')
        return false;
    if (said < end || !are_blank(bytes + end, said - end))
        test_put_length(bytes, end - 8);
    return true;
}

uint32_t test_crc32(const unsigned char *bytes, size_t n)
{
    uint32_t crc = 0xFFFFFFFFU;
    for (size_t i = 0; i < n; i++) {
        crc ^= bytes[i];
        for (int bit = 0; bit < 8; bit++)
            crc = crc >> 1 ^ ((crc & 1) != 0 ? 0xEDB88320U : 0);
    }
    return ~crc;
}

bool test_mend_checksum(unsigned char *bytes, size_t n)
{
    static const char before[] = "\"bp.crc32\":\"", hexadecimal[] = "0123456789abcdef";
    const size_t n_before = sizeof before - 1;
    if (n < 8)
        return false;
    const size_t end = end_of_header(bytes, n);
    for (size_t i = 8; i + n_before + 8 <= end; i++) {
        if (memcmp(bytes + i, before, n_before) != 0)
            continue;
        unsigned char *digits = bytes + i + n_before;
        memset(digits, '0', 8);
        const uint32_t crc = test_crc32(bytes, n);
        for (int k = 0; k < 8; k++)
            digits[k] = (unsigned char)hexadecimal[crc >> (28 - 4 * k) & 15];
        return true;
    }
    return false;
}
