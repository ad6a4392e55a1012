// SPDX-License-Identifier: MIT
/*
 * CRC-32, eight bytes at a time (Kounavis and Berry: "Novel Table Lookup-Based Algorithms for High-Performance CRC Generation",
 * IEEE Transactions on Computers 57, 2008: slicing).
 *
 * tables[k][b] is the checksum register that byte b leaves behind k zero bytes. It is linear in the bits of b, so the compiler
 * makes all of it from its values at the eight powers of two.
 */
#include "store/crc32.h"

#define BIT(b, i, value) (((b) >> (i)&1U) != 0 ? (value) : 0U)
#define ENTRY(b, v0, v1, v2, v3, v4, v5, v6, v7)                                                                           \
    BIT(b, 0, v0) ^ BIT(b, 1, v1) ^ BIT(b, 2, v2) ^ BIT(b, 3, v3) ^ BIT(b, 4, v4) ^ BIT(b, 5, v5) ^ BIT(b, 6, v6) ^        \
        BIT(b, 7, v7)
#define ENTRIES_4(b, ...)                                                                                                  \
    ENTRY((b), __VA_ARGS__), ENTRY((b) + 1U, __VA_ARGS__), ENTRY((b) + 2U, __VA_ARGS__), ENTRY((b) + 3U, __VA_ARGS__)
#define ENTRIES_16(b, ...)                                                                                                 \
    ENTRIES_4((b), __VA_ARGS__), ENTRIES_4((b) + 4U, __VA_ARGS__), ENTRIES_4((b) + 8U, __VA_ARGS__),                       \
        ENTRIES_4((b) + 12U, __VA_ARGS__)
#define ENTRIES_64(b, ...)                                                                                                 \
    ENTRIES_16((b), __VA_ARGS__), ENTRIES_16((b) + 16U, __VA_ARGS__), ENTRIES_16((b) + 32U, __VA_ARGS__),                  \
        ENTRIES_16((b) + 48U, __VA_ARGS__)
#define TABLE(...)                                                                                                         \
    {                                                                                                                      \
        ENTRIES_64(0U, __VA_ARGS__), ENTRIES_64(64U, __VA_ARGS__), ENTRIES_64(128U, __VA_ARGS__),                          \
            ENTRIES_64(192U, __VA_ARGS__)                                                                                  \
    }

static const uint32_t tables[8][256] = {
    TABLE(0x77073096U, 0xEE0E612CU, 0x076DC419U, 0x0EDB8832U, 0x1DB71064U, 0x3B6E20C8U, 0x76DC4190U, 0xEDB88320U),
    TABLE(0x191B3141U, 0x32366282U, 0x646CC504U, 0xC8D98A08U, 0x4AC21251U, 0x958424A2U, 0xF0794F05U, 0x3B83984BU),
    TABLE(0x01C26A37U, 0x0384D46EU, 0x0709A8DCU, 0x0E1351B8U, 0x1C26A370U, 0x384D46E0U, 0x709A8DC0U, 0xE1351B80U),
    TABLE(0xB8BC6765U, 0xAA09C88BU, 0x8F629757U, 0xC5B428EFU, 0x5019579FU, 0xA032AF3EU, 0x9B14583DU, 0xED59B63BU),
    TABLE(0x3D6029B0U, 0x7AC05360U, 0xF580A6C0U, 0x30704BC1U, 0x60E09782U, 0xC1C12F04U, 0x58F35849U, 0xB1E6B092U),
    TABLE(0xCB5CD3A5U, 0x4DC8A10BU, 0x9B914216U, 0xEC53826DU, 0x03D6029BU, 0x07AC0536U, 0x0F580A6CU, 0x1EB014D8U),
    TABLE(0xA6770BB4U, 0x979F1129U, 0xF44F2413U, 0x33EF4E67U, 0x67DE9CCEU, 0xCFBD399CU, 0x440B7579U, 0x8816EAF2U),
    TABLE(0xCCAA009EU, 0x4225077DU, 0x844A0EFAU, 0xD3E51BB5U, 0x7CBB312BU, 0xF9766256U, 0x299DC2EDU, 0x533B85DAU),
};

/* Four bytes as a little-endian number, whatever the processor's order. */
static uint32_t little_endian(const unsigned char *bytes)
{
    return (uint32_t)bytes[0] | (uint32_t)bytes[1] << 8 | (uint32_t)bytes[2] << 16 | (uint32_t)bytes[3] << 24;
}

static uint32_t eight_bytes(uint32_t crc, const unsigned char *bytes)
{
    const uint32_t low = crc ^ little_endian(bytes), high = little_endian(bytes + 4);
    return tables[7][low & 0xFF] ^ tables[6][low >> 8 & 0xFF] ^ tables[5][low >> 16 & 0xFF] ^ tables[4][low >> 24] ^
           tables[3][high & 0xFF] ^ tables[2][high >> 8 & 0xFF] ^ tables[1][high >> 16 & 0xFF] ^ tables[0][high >> 24];
}

uint32_t bpi_crc32(uint32_t crc, const void *bytes, size_t n)
{
    const unsigned char *next = bytes;
    crc = ~crc;
    for (; n >= 8; n -= 8, next += 8)
        crc = eight_bytes(crc, next);
    for (; n > 0; n--, next++)
        crc = crc >> 8 ^ tables[0][(crc ^ *next) & 0xFF];
    return ~crc;
}
