// SPDX-License-Identifier: MIT
/*
 * Networks as C source: settings, and where the two texts go. What they say is in export_c_program.c.
 */
#include "backprop/export_c.h"

#include <stdio.h>
#include <string.h>

#include "base/memory.h"
#include "base/status.h"
#include "model/export_c_model.h"
#include "model/export_c_program.h"
#include "model/export_c_text.h"
#include "net/network.h"
#include "store/writer.h"

#define DEFAULT_PREFIX "network"

/* ---- Settings -------------------------------------------------------------------------------------------------------- */

struct settings {
    const char *prefix;
    bool single;
};

static bp_status take_settings(const char *function, const bp_export_c_config *config, struct settings *settings)
{
    const bp_export_c_config chosen = config != NULL ? *config : (bp_export_c_config){ 0 };
    if (chosen.element != BP_REAL && chosen.element != BP_F64 && chosen.element != BP_F32)
        return bpi_fail(BP_ERR_ARGUMENT, "%s: element is %d: expected BP_REAL, BP_F64 or BP_F32", function,
                        (int)chosen.element);
    if (chosen.prefix != NULL)
        settings->prefix = chosen.prefix;
    settings->single = chosen.element == BP_F32 || (chosen.element == BP_REAL && sizeof(bp_real) == sizeof(float));
    return bpi_c_check_prefix(function, settings->prefix);
}

/* ---- Files ----------------------------------------------------------------------------------------------------------- */

static void write_both(const struct settings *settings, struct bpi_c_model *model, struct bpi_writer *header,
                       struct bpi_writer *source)
{
    const struct bpi_c_text header_text = bpi_c_begin(header, settings->prefix, settings->single);
    bpi_c_write_header(&header_text, model);
    const struct bpi_c_text source_text = bpi_c_begin(source, settings->prefix, settings->single);
    bpi_c_write_source(&source_text, model);
}

static bp_status make_path(const bp_allocator *allocator, const char *directory, const char *prefix, const char *ending,
                           char **path)
{
    const size_t n = strlen(directory), size = n + 1 + strlen(prefix) + strlen(ending) + 1;
    *path = bpi_allocate(allocator, size);
    if (*path == NULL)
        return bpi_fail(BP_ERR_MEMORY, "bp_network_export_c: no memory for a path of %zu bytes", size);
    (void)snprintf(*path, size, "%s%s%s%s", directory, directory[n - 1] == '/' ? "" : "/", prefix, ending);
    return BP_OK;
}

/* Both are on disk before the first takes its place; what is left to fail after that is one renaming. */
static bp_status write_files(const struct settings *settings, struct bpi_c_model *model, const char *header_path,
                             const char *source_path)
{
    const bp_allocator *allocator = &model->net->allocator;
    struct bpi_writer header, source;
    BPI_TRY(bpi_writer_open_path(&header, header_path, allocator));
    bp_status status = bpi_writer_open_path(&source, source_path, allocator);
    if (status == BP_OK) {
        write_both(settings, model, &header, &source);
        status = bpi_writer_sync(&header);
    }
    if (status == BP_OK)
        status = bpi_writer_finish(&source);
    if (status == BP_OK)
        status = bpi_writer_finish(&header);
    bpi_writer_abandon(&source);
    bpi_writer_abandon(&header);
    return status;
}

bp_status bp_network_export_c(const bp_network *net, const char *directory, const bp_export_c_config *config)
{
    BPI_TRY(bpi_network_check(__func__, "net", net));
    BPI_NOT_NULL(directory);
    if (directory[0] == '\0')
        return bpi_fail(BP_ERR_ARGUMENT, "%s: the directory is an empty text; \".\" is the working directory", __func__);
    struct settings settings = { .prefix = DEFAULT_PREFIX };
    BPI_TRY(take_settings(__func__, config, &settings));
    struct bpi_c_model model;
    BPI_TRY(bpi_c_model_init(&model, __func__, net, settings.single));

    char *header_path = NULL, *source_path = NULL;
    bp_status status = make_path(&net->allocator, directory, settings.prefix, ".h", &header_path);
    if (status == BP_OK)
        status = make_path(&net->allocator, directory, settings.prefix, ".c", &source_path);
    if (status == BP_OK)
        status = write_files(&settings, &model, header_path, source_path);
    bpi_release(&net->allocator, header_path);
    bpi_release(&net->allocator, source_path);
    bpi_c_model_free(&model);
    return status;
}

/* ---- Memory ---------------------------------------------------------------------------------------------------------- */

static bp_bytes bytes_of(const struct bpi_writer *writer)
{
    return (bp_bytes){ .data = writer->memory.data, .size = writer->memory.n - 1, .allocator = writer->allocator };
}

/* Ends both texts with a NUL, which does not count, and hands them over. */
static bp_status take_texts(struct bpi_writer *header_writer, struct bpi_writer *source_writer, bp_bytes *header,
                            bp_bytes *source)
{
    bpi_writer_put(header_writer, "", 1);
    bpi_writer_put(source_writer, "", 1);
    bp_status status = bpi_writer_finish(header_writer);
    if (status == BP_OK)
        status = bpi_writer_finish(source_writer);
    if (status != BP_OK) {
        bpi_writer_abandon(header_writer);
        bpi_writer_abandon(source_writer);
        return status;
    }
    *header = bytes_of(header_writer);
    *source = bytes_of(source_writer);
    return BP_OK;
}

bp_status bp_network_export_c_memory(const bp_network *net, bp_bytes *header, bp_bytes *source,
                                     const bp_export_c_config *config)
{
    BPI_NOT_NULL(header);
    BPI_NOT_NULL(source);
    *header = *source = (bp_bytes){ 0 };
    BPI_TRY(bpi_network_check(__func__, "net", net));
    struct settings settings = { .prefix = DEFAULT_PREFIX };
    BPI_TRY(take_settings(__func__, config, &settings));
    struct bpi_c_model model;
    BPI_TRY(bpi_c_model_init(&model, __func__, net, settings.single));

    struct bpi_writer header_writer, source_writer;
    bpi_writer_open_memory(&header_writer, &net->allocator);
    bpi_writer_open_memory(&source_writer, &net->allocator);
    write_both(&settings, &model, &header_writer, &source_writer);
    bpi_c_model_free(&model);
    return take_texts(&header_writer, &source_writer, header, source);
}
