/* SPDX-License-Identifier: Apache-2.0 */
#include "yamltree.h"

#include "blocks.h"
#include <string.h>
#include <yaml.h>

/* From this many keys on a map's keys are hashed. */
#define HASHED_KEYS 8

/* A tree lies in blocks and goes as a whole: no piece of it is allocated or freed alone. */
typedef struct {
  WeftYaml root;
  WeftBlocks blocks;
} Tree;

/* A map or list that is not yet closed. */
typedef struct {
  WeftYaml *yaml;
  guint begin, begin_keys; /* its first item and its first key among those of all that are open */
  gboolean has_key;  /* the last key waits for its value */
  GHashTable *seen;  /* keys so far: key -> WeftYaml; NULL while there are few */
} Open;

typedef struct {
  WeftDiagnostics *diagnostics;
  Tree *tree;
  WeftYaml *root;   /* NULL: nothing yet */
  Open open[WEFT_PIPELINE_MAX_DEPTH];
  GPtrArray *keys, *items; /* of all open maps and lists, the innermost last; lists have no keys */
  guint depth, n_values, n_documents;
  gboolean expands;         /* ${NAME} means a variable */
  WeftVariables *variables; /* NULL: none is given */
  gsize n_expanded;         /* bytes of scalars with variables */
  WeftYamlProgress progress;
  gboolean stop;    /* nothing more is read */
  gboolean partial; /* the tree ends before the file: nothing can be said of what is missing */
} Builder;

void weft_yaml_free(WeftYaml *yaml)
{
  if (!yaml)
    return;
  if (!yaml->blocks) {
    g_clear_pointer(&yaml->keys, g_ptr_array_unref);
    g_clear_pointer(&yaml->items, g_ptr_array_unref);
    g_free(yaml->text);
    g_free(yaml);
    return;
  }
  Tree *tree = yaml->blocks;
  weft_blocks_clear(&tree->blocks);
  g_free(tree);
}

static WeftDiagnostic *fault(Builder *builder, const yaml_event_t *event, const char *code, const char *message)
{
  return weft_diagnostics_add(builder->diagnostics, code, (guint)event->start_mark.line + 1,
                              (guint)event->start_mark.column + 1, "%s", message);
}

/* An earlier key of the same text, or NULL; remembers this one. */
static const WeftYaml *earlier_key(const Builder *builder, Open *open, WeftYaml *key)
{
  guint n = builder->keys->len - open->begin_keys;
  WeftYaml **keys = n ? (WeftYaml **)builder->keys->pdata + open->begin_keys : NULL;
  if (!open->seen && n < HASHED_KEYS) {
    for (guint i = 0; i < n; i++) {
      if (strcmp(keys[i]->text, key->text) == 0)
        return keys[i];
    }
    return NULL;
  }
  if (!open->seen) {
    open->seen = g_hash_table_new(g_str_hash, g_str_equal);
    for (guint i = 0; i < n; i++)
      g_hash_table_insert(open->seen, keys[i]->text, keys[i]);
  }
  const WeftYaml *other = g_hash_table_lookup(open->seen, key->text);
  if (!other)
    g_hash_table_insert(open->seen, key->text, key);
  return other;
}

static void report_merge_key(Builder *builder, WeftYaml *map, WeftYaml *key)
{
  weft_diagnostics_add(builder->diagnostics, "merge-key", key->line, key->column,
                       "the merge key \"<<\" is not allowed: write the keys out");
  key->reported = TRUE;
  map->unsure = TRUE;
}

static void place_key(Builder *builder, Open *open, WeftYaml *yaml)
{
  if (yaml->plain && strcmp(yaml->text, "<<") == 0)
    report_merge_key(builder, open->yaml, yaml);
  const WeftYaml *other = earlier_key(builder, open, yaml);
  if (other) {
    weft_diagnostics_add(builder->diagnostics, "duplicate-key", yaml->line, yaml->column,
                         "key \"%s\" stands twice in this map, first in line %u", yaml->text, other->line);
    yaml->reported = TRUE;
    open->yaml->unsure = TRUE; /* one of the two was to have another name */
  }
  g_ptr_array_add(builder->keys, yaml);
  open->has_key = TRUE;
}

/* Puts a value where it belongs. */
static void place(Builder *builder, WeftYaml *yaml)
{
  if (builder->depth == 0) {
    builder->root = yaml;
    return;
  }
  Open *open = &builder->open[builder->depth - 1];
  if (open->yaml->kind == WEFT_YAML_LIST) {
    g_ptr_array_add(builder->items, yaml);
  } else if (open->has_key) {
    g_ptr_array_add(builder->items, yaml);
    open->has_key = FALSE;
  } else if (yaml->kind == WEFT_YAML_SCALAR) {
    place_key(builder, open, yaml);
  } else {
    weft_diagnostics_add(builder->diagnostics, "complex-key", yaml->line, yaml->column,
                         "a key must be a word, not a %s", yaml->kind == WEFT_YAML_MAP ? "map" : "list");
    builder->stop = builder->partial = TRUE;
  }
}

static WeftYaml *value_new(Builder *builder, const yaml_event_t *event, WeftYamlKind kind)
{
  if (++builder->n_values > WEFT_PIPELINE_MAX_VALUES) {
    g_autofree char *message = g_strdup_printf("more than %u values in one file (WEFT_PIPELINE_MAX_VALUES)",
                                               WEFT_PIPELINE_MAX_VALUES);
    fault(builder, event, "too-many-values", message);
    builder->stop = builder->partial = TRUE;
    return NULL;
  }
  WeftYaml *yaml = builder->root ? weft_blocks_take(&builder->tree->blocks, sizeof *yaml) : &builder->tree->root;
  memset(yaml, 0, sizeof *yaml);
  yaml->blocks = builder->root ? NULL : builder->tree;
  yaml->kind = kind;
  yaml->line = (guint)event->start_mark.line + 1;
  yaml->column = (guint)event->start_mark.column + 1;
  return yaml;
}

static void open_collection(Builder *builder, const yaml_event_t *event, WeftYamlKind kind)
{
  if (builder->depth == WEFT_PIPELINE_MAX_DEPTH) {
    g_autofree char *message = g_strdup_printf("maps and lists stand more than %d deep in each other "
                                               "(WEFT_PIPELINE_MAX_DEPTH)", WEFT_PIPELINE_MAX_DEPTH);
    fault(builder, event, "too-deep", message);
    builder->stop = builder->partial = TRUE;
    return;
  }
  WeftYaml *yaml = value_new(builder, event, kind);
  if (!yaml)
    return;
  place(builder, yaml);
  if (!builder->stop)
    builder->open[builder->depth++] = (Open){.yaml = yaml, .begin = builder->items->len, .begin_keys = builder->keys->len};
}

/* An array that can be read and lies in the tree; NULL: empty. */
static GPtrArray *copy(Builder *builder, GPtrArray *from, guint begin)
{
  guint n = from->len - begin;
  if (!n)
    return NULL;
  GPtrArray *list = weft_blocks_take(&builder->tree->blocks, sizeof *list + n * sizeof(gpointer));
  list->pdata = (gpointer *)(list + 1);
  list->len = n;
  memcpy(list->pdata, from->pdata + begin, n * sizeof(gpointer));
  g_ptr_array_set_size(from, (int)begin);
  return list;
}

static void close_collection(Builder *builder)
{
  Open *open = &builder->open[--builder->depth];
  WeftYaml *yaml = open->yaml;
  yaml->items = copy(builder, builder->items, open->begin);
  if (yaml->kind == WEFT_YAML_MAP)
    yaml->keys = copy(builder, builder->keys, open->begin_keys);
  g_clear_pointer(&open->seen, g_hash_table_unref);
}

/* An error about a variable stands at its own place. */
static void expand(Builder *builder, WeftYaml *yaml)
{
  WeftVariableFault bad;
  char *text = weft_variables_expand(builder->variables, yaml->text, &bad);
  if (text) {
    gsize n = strlen(text), n_written = strlen(yaml->text);
    if (n && g_str_has_prefix(yaml->text, "${") && strchr(yaml->text, '}') == yaml->text + n_written - 1)
      yaml->plain = TRUE; /* quoted for the sake of its braces: in a flow map it cannot stand without */
    yaml->text = memcpy(weft_blocks_take(&builder->tree->blocks, n + 1), text, n + 1);
    builder->n_expanded += n;
    g_free(text);
  }
  if (builder->n_expanded > WEFT_PIPELINE_MAX_BYTES) {
    weft_diagnostics_add(builder->diagnostics, "too-large", yaml->line, yaml->column, "with its variables put in, the file "
                         "has more than %u bytes (WEFT_PIPELINE_MAX_BYTES)", WEFT_PIPELINE_MAX_BYTES);
    builder->stop = builder->partial = TRUE;
  }
  if (text)
    return;
  yaml->reported = TRUE;
  WeftDiagnostic *diagnostic = weft_diagnostics_add(builder->diagnostics, "variable", yaml->line, yaml->column +
                                                    (guint)bad.offset + (yaml->plain ? 0 : 1), "%s", bad.message);
  weft_diagnostic_hint(diagnostic, "%s", bad.hint);
  if (bad.closest)
    weft_diagnostic_hint(diagnostic, "did you mean \"%s\"? %s", bad.closest, bad.hint);
  g_free(bad.message);
  g_free(bad.hint);
  g_free(bad.closest);
}

static void take_scalar(Builder *builder, const yaml_event_t *event)
{
  const char *text = (const char *)event->data.scalar.value;
  gsize n = strlen(text);
  WeftYaml *yaml = value_new(builder, event, WEFT_YAML_SCALAR);
  if (!yaml)
    return;
  if (n != event->data.scalar.length) {
    fault(builder, event, "zero-byte", "a text holds a zero byte");
    yaml->reported = TRUE;
  }
  yaml->plain = event->data.scalar.style == YAML_PLAIN_SCALAR_STYLE;
  yaml->reported = yaml->reported || event->data.scalar.tag; /* what it would be without the tag is not known */
  yaml->text = weft_blocks_take(&builder->tree->blocks, n + 1);
  memcpy(yaml->text, text, n + 1);
  if (builder->expands && strstr(text, "${"))
    expand(builder, yaml);
  place(builder, yaml);
}

/* Stands for a value that is not known. */
static void take_alias(Builder *builder, const yaml_event_t *event)
{
  weft_diagnostic_hint(fault(builder, event, "alias", "aliases (*name) are not allowed"), "write the value out");
  WeftYaml *yaml = value_new(builder, event, WEFT_YAML_SCALAR);
  if (!yaml)
    return;
  yaml->text = memset(weft_blocks_take(&builder->tree->blocks, 1), 0, 1);
  yaml->reported = TRUE;
  place(builder, yaml);
}

static void refuse(Builder *builder, const yaml_event_t *event, const void *anchor, const void *tag)
{
  if (anchor)
    weft_diagnostic_hint(fault(builder, event, "anchor", "anchors (&name) are not allowed"), "write the value out");
  if (tag)
    weft_diagnostic_hint(fault(builder, event, "tag", "tags (!name) are not allowed"),
                         "write the value without it; quotes make a text of anything");
}

static void take(Builder *builder, const yaml_event_t *event)
{
  switch (event->type) {
  case YAML_DOCUMENT_START_EVENT:
    if (builder->n_documents++) {
      fault(builder, event, "several-documents", "a second document begins here (---): a file holds one pipeline");
      builder->stop = TRUE;
      if (builder->root)
        builder->root->unsure = TRUE;
    }
    break;
  case YAML_ALIAS_EVENT:
    take_alias(builder, event);
    break;
  case YAML_SCALAR_EVENT:
    refuse(builder, event, event->data.scalar.anchor, event->data.scalar.tag);
    take_scalar(builder, event);
    break;
  case YAML_SEQUENCE_START_EVENT:
    refuse(builder, event, event->data.sequence_start.anchor, event->data.sequence_start.tag);
    open_collection(builder, event, WEFT_YAML_LIST);
    break;
  case YAML_MAPPING_START_EVENT:
    refuse(builder, event, event->data.mapping_start.anchor, event->data.mapping_start.tag);
    open_collection(builder, event, WEFT_YAML_MAP);
    break;
  case YAML_SEQUENCE_END_EVENT:
  case YAML_MAPPING_END_EVENT:
    close_collection(builder);
    break;
  default:
    break;
  }
}

/* The byte at a place as libyaml counts it: lines and letters from 0. */
static const char *byte_at(const char *text, gsize n_bytes, yaml_mark_t mark)
{
  const char *c = text, *end = text + n_bytes;
  for (gsize line = 0; line < mark.line && c < end; line++) {
    const char *next = memchr(c, '\n', (gsize)(end - c));
    c = next ? next + 1 : end;
  }
  for (gsize column = 0; column < mark.column && c < end && *c != '\n'; column++)
    c = g_utf8_next_char(c);
  return MIN(c, end);
}

static gboolean line_has(const char *at, const char *text, const char *end, const char *what)
{
  const char *begin = at;
  while (begin > text && begin[-1] != '\n')
    begin--;
  const char *close = memchr(at, '\n', (gsize)(end - at));
  return g_strstr_len(begin, (close ? close : end) - begin, what) != NULL;
}

/* What most likely is wrong there, in the words of who writes such files; NULL: no idea. */
static const char *likely_cause(const char *problem, const char *at, const char *text, const char *end)
{
  static const struct {
    const char *problem, *cause;
  } known[] = {
    {"mapping values are not allowed", "a text that holds \": \" stands in quotes; a map within a line in { }"},
    {"unknown escape", "in double quotes a backslash is written twice; single quotes take it as it is"},
    {"incompatible YAML", "YAML 1.1 and 1.2 are read; leave the %YAML line out"},
    {"<document start>", "the pipeline has ended before this: is there a } or ] too many?"},
    {"expected ':'", "the \":\" of a key is missing, or the key is longer than 1,024 bytes"},
  };
  char c = at < end ? *at : 0;
  if (c == '\t' || strstr(problem, "tab"))
    return "a tab cannot indent: use spaces";
  if (line_has(at, text, end, "\xc2\xa0"))
    return "this line holds a no-break space (U+00A0), which is no space: type it anew";
  if (end - at >= 3 && memcmp(at, "\xef\xbb\xbf", 3) == 0)
    return "a byte order mark (U+FEFF) stands here, which nobody sees: delete it";
  if (c == '@' || c == '`')
    return "a text that begins with @ or ` stands in quotes";
  if ((c == '}' || c == ']') && strstr(problem, "expected key"))
    return "there is a } or ] too many";
  for (guint i = 0; i < G_N_ELEMENTS(known); i++) {
    if (strstr(problem, known[i].problem))
      return known[i].cause;
  }
  return NULL;
}

static void syntax_fault(WeftDiagnostics *diagnostics, const yaml_parser_t *parser, const char *text, gsize n_bytes)
{
  yaml_mark_t mark = parser->problem_mark;
  const char *problem = parser->problem ? parser->problem : "not YAML";
  if (parser->error == YAML_READER_ERROR) {
    weft_diagnostics_add(diagnostics, "syntax", (guint)parser->mark.line + 1, (guint)parser->mark.column + 1,
                         "%s (byte %" G_GSIZE_FORMAT ")", problem, (gsize)parser->problem_offset);
    return;
  }
  WeftDiagnostic *diagnostic =
      weft_diagnostics_add(diagnostics, "syntax", (guint)mark.line + 1, (guint)mark.column + 1, "not YAML: %s%s%s",
                           problem, parser->context ? ", " : "", parser->context ? parser->context : "");
  const char *cause = likely_cause(problem, byte_at(text, n_bytes, mark), text, text + n_bytes);
  guint began = (guint)parser->context_mark.line + 1;
  if (cause)
    weft_diagnostic_hint(diagnostic, "%s", cause);
  else if (parser->context && strstr(parser->context, "quoted"))
    weft_diagnostic_hint(diagnostic, "the quote in line %u, column %u, is not closed", began,
                         (guint)parser->context_mark.column + 1);
  else if (parser->context && strstr(parser->context, "flow"))
    weft_diagnostic_hint(diagnostic, "a comma or the closing %s of line %u is missing before this",
                         strstr(parser->context, "mapping") ? "}" : "]", began);
  else if (parser->context && parser->context_mark.line != mark.line)
    weft_diagnostic_hint(diagnostic, "it began in line %u: look at the indentation", began);
}

/* What a file that is not UTF-8 is instead, as far as its first bytes tell. */
static const char *other_format(const char *text, gsize n_bytes)
{
  static const struct {
    const char *bytes, *name;
  } known[] = {{"\xff\xfe", "UTF-16"}, {"\xfe\xff", "UTF-16"}, {"\x1f\x8b", "compressed (gzip)"},
               {"\x28\xb5\x2f\xfd", "compressed (zstd)"}, {"PK\x03\x04", "a ZIP file"}, {"\x7f" "ELF", "a program"}};
  for (guint i = 0; i < G_N_ELEMENTS(known); i++) {
    if (n_bytes >= strlen(known[i].bytes) && memcmp(text, known[i].bytes, strlen(known[i].bytes)) == 0)
      return known[i].name;
  }
  return NULL;
}

static gboolean unsound(const char *text, gsize n_bytes, const char *bad, WeftDiagnostics *diagnostics)
{
  guint line = 1;
  const char *begin = text, *other = other_format(text, n_bytes);
  for (const char *c = text; c < bad; c++) {
    if (*c == '\n') {
      line++;
      begin = c + 1;
    }
  }
  guint column = (guint)g_utf8_strlen(begin, bad - begin) + 1, byte = (guchar)*bad;
  if (other)
    weft_diagnostic_hint(weft_diagnostics_add(diagnostics, "utf-8", line, column, "the file is %s, and no UTF-8 text", other),
                         "save it as UTF-8");
  else if (byte == 0)
    weft_diagnostic_hint(weft_diagnostics_add(diagnostics, "zero-byte", line, column, "a zero byte stands here"),
                         "the file is damaged, or no text");
  else if (byte < 0x80)
    weft_diagnostic_hint(weft_diagnostics_add(diagnostics, "control", line, column, "a control character (0x%02x) stands "
                                              "here", byte), "delete it");
  else
    weft_diagnostic_hint(weft_diagnostics_add(diagnostics, "utf-8", line, column, "not UTF-8: byte 0x%02x", byte),
                         "save the file as UTF-8");
  return FALSE;
}

static gboolean bytes_are_sound(const char *text, gsize n_bytes, WeftDiagnostics *diagnostics)
{
  if (n_bytes > WEFT_PIPELINE_MAX_BYTES) {
    weft_diagnostics_add(diagnostics, "too-large", 0, 0, "%" G_GSIZE_FORMAT " bytes, at most %u are read "
                         "(WEFT_PIPELINE_MAX_BYTES)", n_bytes, WEFT_PIPELINE_MAX_BYTES);
    return FALSE;
  }
  const char *bad = NULL;
  gboolean sound = g_utf8_validate_len(text, n_bytes, &bad);
  for (const char *c = text; c < bad; c++) { /* all of it where it is sound */
    if (((guchar)*c < 0x20 && *c != '\t' && *c != '\n' && *c != '\r') || *c == 0x7f)
      return unsound(text, n_bytes, c, diagnostics);
  }
  return sound || unsound(text, n_bytes, bad, diagnostics);
}

static void build(Builder *builder, yaml_parser_t *parser, const char *text, gsize n_bytes)
{
  for (gboolean end = FALSE; !end && !builder->stop;) {
    yaml_event_t event;
    if (!yaml_parser_parse(parser, &event)) {
      syntax_fault(builder->diagnostics, parser, text, n_bytes);
      builder->partial = TRUE;
      break;
    }
    builder->progress.n_events++;
    end = event.type == YAML_STREAM_END_EVENT;
    take(builder, &event);
    yaml_event_delete(&event);
  }
  builder->progress.n_read = parser->mark.index;
}

static WeftYaml *parse(Builder *builder, const char *text, gsize n_bytes)
{
  WeftDiagnostics *diagnostics = builder->diagnostics;
  if (!bytes_are_sound(text, n_bytes, diagnostics))
    return NULL;
  if (n_bytes >= 3 && memcmp(text, "\xef\xbb\xbf", 3) == 0) { /* the byte order mark of some editors */
    text += 3;
    n_bytes -= 3;
  }
  guint n_before = diagnostics->n_errors;
  yaml_parser_t parser;
  if (!yaml_parser_initialize(&parser)) {
    weft_diagnostics_add(diagnostics, "memory", 0, 0, "no memory for the YAML parser");
    return NULL;
  }
  yaml_parser_set_encoding(&parser, YAML_UTF8_ENCODING);
  yaml_parser_set_input_string(&parser, (const unsigned char *)text, n_bytes);
  builder->tree = g_new0(Tree, 1);
  builder->keys = g_ptr_array_new();
  builder->items = g_ptr_array_new();
  build(builder, &parser, text, n_bytes);
  yaml_parser_delete(&parser);
  for (guint i = 0; i < builder->depth; i++)
    g_clear_pointer(&builder->open[i].seen, g_hash_table_unref);
  g_ptr_array_unref(builder->keys);
  g_ptr_array_unref(builder->items);
  if (diagnostics->n_errors == n_before && !builder->root)
    weft_diagnostic_hint(weft_diagnostics_add(diagnostics, "empty", 0, 0, "the file is empty"),
                         "a pipeline begins with the lines \"weft: 1\" and \"name: NAME\"");
  if (builder->root && !builder->partial)
    return builder->root;
  weft_yaml_free(&builder->tree->root);
  return NULL;
}

WeftYaml *weft_yaml_parse(const char *text, gsize n_bytes, WeftDiagnostics *diagnostics)
{
  Builder builder = {.diagnostics = diagnostics};
  return parse(&builder, text, n_bytes);
}

WeftYaml *weft_yaml_parse_watched(const char *text, gsize n_bytes, WeftYamlProgress *progress,
                                  WeftDiagnostics *diagnostics)
{
  Builder builder = {.diagnostics = diagnostics};
  WeftYaml *yaml = parse(&builder, text, n_bytes);
  *progress = builder.progress;
  return yaml;
}

WeftYaml *weft_yaml_parse_with(const char *text, gsize n_bytes, WeftVariables *variables, WeftDiagnostics *diagnostics)
{
  Builder builder = {.diagnostics = diagnostics, .expands = TRUE, .variables = variables};
  return parse(&builder, text, n_bytes);
}
