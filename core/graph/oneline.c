/* SPDX-License-Identifier: Apache-2.0 */
#include "oneline.h"

#include <string.h>

/* From one separator to the next. */
typedef struct {
  GArray *words;    /* of Word */
  guint column;     /* of its first byte */
  gboolean chained; /* a `!` stands before it */
} Segment;

typedef struct {
  char *text;       /* without quotes */
  gsize equals;     /* where its first `=` stands; G_MAXSIZE: none */
  guint column, value_column;
  gboolean quoted;  /* the value, or the whole word */
} Word;

typedef struct {
  WeftDiagnostics *diagnostics;
  WeftVariables *variables;
  gsize n_expanded;                 /* bytes of values with variables */
  const char *text;
  GPtrArray *segments;              /* of Segment */
  WeftYaml *inputs, *models, *assets, *nodes, *outputs;
  GHashTable *taken, *counts;       /* names of inputs and nodes; stem of a name -> how many had it */
  GHashTable *model_names, *used;   /* value -> name of a model; sources that are read */
  GStringChunk *texts;              /* references to a port of a node in a chain */
  GPtrArray *order;                 /* names of nodes; borrowed from the tree */
  const char *last;                 /* what the chain carries; NULL: nothing */
} Line;

gboolean weft_oneline_is(const char *text)
{
  return strchr(text, '!') && !g_file_test(text, G_FILE_TEST_EXISTS);
}

static WeftDiagnostic *fault(Line *line, guint column, const char *format, ...) G_GNUC_PRINTF(3, 4);
static WeftDiagnostic *fault(Line *line, guint column, const char *format, ...)
{
  va_list arguments;
  va_start(arguments, format);
  g_autofree char *message = g_strdup_vprintf(format, arguments);
  va_end(arguments);
  return weft_diagnostics_add(line->diagnostics, "one-line", 1, column, "%s", message);
}

/* ---- words ---- */

static void word_clear(gpointer word)
{
  g_free(((Word *)word)->text);
}

static void segment_free(gpointer data)
{
  Segment *segment = data;
  g_array_unref(segment->words);
  g_free(segment);
}

static Segment *segment_add(Line *line, guint column, gboolean chained)
{
  Segment *segment = g_new0(Segment, 1);
  segment->words = g_array_new(FALSE, TRUE, sizeof(Word));
  g_array_set_clear_func(segment->words, word_clear);
  segment->column = column;
  segment->chained = chained;
  g_ptr_array_add(line->segments, segment);
  return segment;
}

/* What stands between quotes, appended; the byte behind the closing one, or NULL. */
static const char *take_quoted(const char *c, GString *out)
{
  char quote = *c++;
  for (; *c && *c != quote; c++) {
    if (*c == '\\' && c[1])
      c++;
    g_string_append_c(out, *c);
  }
  return *c ? c + 1 : NULL;
}

static guint column_of(const Line *line, const char *c)
{
  return (guint)g_utf8_strlen(line->text, c - line->text) + 1;
}

/* ${NAME} in a value, or in a word that is none. FALSE: reported. */
static gboolean expand(Line *line, Word *word)
{
  gsize n_key = word->equals == G_MAXSIZE ? 0 : word->equals + 1;
  WeftVariableFault bad;
  if (!strstr(word->text + n_key, "${"))
    return TRUE;
  g_autofree char *value = weft_variables_expand(line->variables, word->text + n_key, &bad);
  if (value && (line->n_expanded += strlen(value)) > WEFT_PIPELINE_MAX_BYTES) {
    fault(line, word->column, "with its variables put in, the line has more than %u bytes (WEFT_PIPELINE_MAX_BYTES)",
          WEFT_PIPELINE_MAX_BYTES);
    return FALSE;
  }
  if (value) {
    g_autofree char *key = g_strndup(word->text, n_key);
    g_free(word->text);
    word->text = g_strconcat(key, value, NULL);
    return TRUE;
  }
  WeftDiagnostic *at = fault(line, n_key ? word->value_column : word->column, "%s", bad.message);
  if (bad.closest)
    weft_diagnostic_hint(at, "did you mean \"%s\"?", bad.closest);
  else if (bad.hint)
    weft_diagnostic_hint(at, "%s", bad.hint);
  g_free(bad.message);
  g_free(bad.hint);
  g_free(bad.closest);
  return FALSE;
}

/* One word up to a space or line end, `!` or `;` outside quotes; NULL: reported. */
static const char *take_word(Line *line, const char *c, GArray *words)
{
  g_autoptr(GString) text = g_string_new(NULL);
  Word word = {.equals = G_MAXSIZE, .column = column_of(line, c)};
  while (*c && !strchr(" \t\r\n!;", *c)) {
    if (*c == '"' || *c == '\'') {
      const char *end = take_quoted(c, text);
      if (!end) {
        fault(line, column_of(line, c), "the quote %c has no other one", *c);
        return NULL;
      }
      word.quoted = TRUE;
      c = end;
      continue;
    }
    if (*c == '=' && word.equals == G_MAXSIZE) {
      word.equals = text->len;
      word.value_column = column_of(line, c + 1);
    }
    g_string_append_c(text, *c++);
  }
  word.text = g_strdup(text->str);
  gboolean ok = expand(line, &word);
  g_array_append_val(words, word);
  return ok ? c : NULL;
}

static gboolean split(Line *line)
{
  Segment *segment = segment_add(line, 1, FALSE);
  for (const char *c = line->text; *c;) {
    if (strchr(" \t\r\n", *c)) {
      c++;
    } else if (*c == '!' || *c == ';') {
      segment = segment_add(line, column_of(line, c), *c == '!');
      c++;
    } else {
      c = take_word(line, c, segment->words);
      if (!c)
        return FALSE;
    }
  }
  return TRUE;
}

/* ---- the tree ---- */

static WeftYaml *yaml_new(WeftYamlKind kind, guint column)
{
  WeftYaml *yaml = g_new0(WeftYaml, 1);
  yaml->kind = kind;
  yaml->line = 1;
  yaml->column = column;
  return yaml;
}

static WeftYaml *scalar_new(const char *text, guint column, gboolean plain)
{
  WeftYaml *yaml = yaml_new(WEFT_YAML_SCALAR, column);
  yaml->text = g_strdup(text);
  yaml->plain = plain;
  return yaml;
}

/* The value of a key, or NULL. */
static WeftYaml *find(const WeftYaml *map, const char *key)
{
  for (guint i = 0; i < weft_yaml_n(map); i++)
    if (strcmp(weft_yaml_key(map, i)->text, key) == 0)
      return map->items->pdata[i];
  return NULL;
}

/* Puts a value into a map; owned by it afterwards. Returns the key's text, which lives as long as the tree. */
static const char *put(WeftYaml *map, const char *key, guint column, WeftYaml *value)
{
  if (!map->keys) {
    map->keys = g_ptr_array_new_with_free_func((GDestroyNotify)weft_yaml_free);
    map->items = g_ptr_array_new_with_free_func((GDestroyNotify)weft_yaml_free);
  }
  WeftYaml *name = scalar_new(key, column, TRUE);
  g_ptr_array_add(map->keys, name);
  g_ptr_array_add(map->items, value);
  return name->text;
}

/* The map under a key, made where it is not there; NULL: something else stands there (reported). */
static WeftYaml *map_under(Line *line, WeftYaml *map, const char *key, guint column)
{
  WeftYaml *inner = find(map, key);
  if (inner && inner->kind != WEFT_YAML_MAP) {
    fault(line, column, "\"%s\" is given as one value and as a map", key);
    return NULL;
  }
  if (!inner) {
    inner = yaml_new(WEFT_YAML_MAP, column);
    put(map, key, column, inner);
  }
  return inner;
}

static void put_once(Line *line, WeftYaml *map, const char *key, guint column, WeftYaml *value)
{
  if (!find(map, key)) {
    put(map, key, column, value);
    return;
  }
  fault(line, column, "\"%s\" stands twice", key);
  weft_yaml_free(value);
}

/* ---- names ---- */

/* `stem`, or the first of stem-2, stem-3 ... that is free, going on where the last search ended. Free with g_free. */
static char *free_name(Line *line, const char *stem)
{
  char *name = g_strdup(stem);
  guint n = GPOINTER_TO_UINT(g_hash_table_lookup(line->counts, stem));
  for (n = MAX(n, 1); g_hash_table_contains(line->taken, name); n++) {
    g_free(name);
    name = g_strdup_printf("%s-%u", stem, n + 1);
  }
  g_hash_table_insert(line->counts, g_strdup(stem), GUINT_TO_POINTER(n));
  return name;
}

/* What something is called that is named by a path or NAME@RANGE: its last part without version and ending. */
static char *stem_of(const char *text)
{
  g_autofree char *trimmed = g_strdup(text);
  for (gsize n = strlen(trimmed); n > 1 && trimmed[n - 1] == '/'; n--)
    trimmed[n - 1] = 0;
  const char *slash = strrchr(trimmed, '/'), *begin = slash ? slash + 1 : trimmed;
  if (!slash && g_str_has_prefix(begin, "pipeline:"))
    begin += strlen("pipeline:");
  gsize n = strcspn(begin, slash ? "." : "@.");
  g_autoptr(GString) name = g_string_new(NULL);
  for (gsize i = 0; i < MIN(n, 60); i++)
    g_string_append_c(name, g_ascii_isalnum(begin[i]) || begin[i] == '_' || begin[i] == '-' ? begin[i] : '_');
  if (!name->len || !(g_ascii_isalpha(*name->str) || *name->str == '_'))
    g_string_prepend_c(name, '_');
  return g_strdup(name->str);
}

/* ---- keys of a node ---- */

typedef struct {
  const Word *word;
  char *key;         /* before the `=` */
  const char *value; /* behind it */
} Pair;

static WeftYaml *value_of(const Pair *pair)
{
  return scalar_new(pair->value, pair->word->value_column, !pair->word->quoted);
}

/* The name under models: of a folder or NAME@RANGE, the same for the same. precision: NULL: none is said. */
static const char *model_name(Line *line, const Pair *pair, const Pair *precision)
{
  g_autofree char *key = g_strconcat(precision ? precision->value : "", " ", pair->value, NULL);
  const char *name = g_hash_table_lookup(line->model_names, key);
  if (name)
    return name;
  g_autofree char *stem = stem_of(pair->value);
  g_autofree char *own = g_strdup(stem);
  for (guint n = 2; find(line->models, own); n++) {
    g_free(own);
    own = g_strdup_printf("%s-%u", stem, n);
  }
  WeftYaml *model = value_of(pair);
  if (precision) {
    WeftYaml *map = yaml_new(WEFT_YAML_MAP, pair->word->value_column);
    put(map, "use", pair->word->column, model);
    put(map, "precision", precision->word->column, value_of(precision));
    model = map;
  }
  name = put(line->models, own, pair->word->value_column, model);
  g_hash_table_insert(line->model_names, g_steal_pointer(&key), (gpointer)name);
  return name;
}

static void take_asset(Line *line, WeftYaml *node, const char *param, const Pair *pair)
{
  guint column = pair->word->column;
  WeftYaml *params = map_under(line, node, "params", column);
  g_autofree char *stem = stem_of(pair->value);
  g_autofree char *own = g_strdup(stem);
  for (guint n = 2; find(line->assets, own); n++) {
    g_free(own);
    own = g_strdup_printf("%s-%u", stem, n);
  }
  put(line->assets, own, pair->word->value_column, value_of(pair));
  if (params)
    put_once(line, params, param, column, scalar_new(own, pair->word->value_column, TRUE));
}

static void mark_used(Line *line, const char *reference)
{
  g_hash_table_add(line->used, g_strndup(reference, strcspn(reference, ".")));
}

static void take_dotted(Line *line, WeftYaml *node, const Pair *pair, const char *dot)
{
  g_autofree char *head = g_strndup(pair->key, (gsize)(dot - pair->key));
  if (strcmp(head, "asset") == 0) {
    take_asset(line, node, dot + 1, pair);
    return;
  }
  if (strcmp(head, "in") == 0)
    mark_used(line, pair->value);
  WeftYaml *map = map_under(line, node, strcmp(head, "param") == 0 ? "params" : head, pair->word->column);
  if (map)
    put_once(line, map, dot + 1, pair->word->column, value_of(pair));
}

/* `as`, `port`, `model` and `precision` are taken by whoever calls. */
static void take_pair(Line *line, WeftYaml *node, const Pair *pair)
{
  const char *dot = strchr(pair->key, '.');
  if (dot) {
    take_dotted(line, node, pair, dot);
  } else {
    if (strcmp(pair->key, "in") == 0)
      mark_used(line, pair->value);
    put_once(line, node, pair->key, pair->word->column, value_of(pair));
  }
}

static void keep_once(Line *line, Pair *kept, const char *key, const Pair *pair)
{
  if (kept->word)
    fault(line, pair->word->column, "\"%s\" stands twice", key);
  else
    *kept = *pair;
}

static void take_model(Line *line, WeftYaml *node, const Pair *model, const Pair *precision)
{
  if (!model->word && precision->word)
    weft_diagnostic_hint(fault(line, precision->word->column, "\"precision\" is that of a model, and the node has none"),
                         "such as model=models/vit precision=int8");
  if (!model->word)
    return;
  const char *name = model_name(line, model, precision->word ? precision : NULL);
  put_once(line, node, "model", model->word->column, scalar_new(name, model->word->value_column, TRUE));
}

/* KEY=VALUE of a word; FALSE: reported. Caller frees key with g_free. */
static gboolean pair_of(Line *line, const Word *word, Pair *pair)
{
  if (word->equals == G_MAXSIZE || word->equals == 0) {
    WeftDiagnostic *at = fault(line, word->column, "expected KEY=VALUE, found \"%s\"", word->text);
    weft_diagnostic_hint(at, "nodes are joined by !, chains by ; and a value with spaces stands in quotes");
    return FALSE;
  }
  *pair = (Pair){word, g_strndup(word->text, word->equals), word->text + word->equals + 1};
  return TRUE;
}

/* The chain's source into `in`, under `as` where it is given. */
static void chain_in(Line *line, WeftYaml *node, const Segment *segment, const Pair *as)
{
  const WeftYaml *in = find(node, "in");
  mark_used(line, line->last);
  if (as) {
    WeftYaml *map = map_under(line, node, "in", as->word->column);
    if (map)
      put_once(line, map, as->value, as->word->value_column, scalar_new(line->last, segment->column, TRUE));
  } else if (!in) {
    put(node, "in", segment->column, scalar_new(line->last, segment->column, TRUE));
  } else {
    weft_diagnostic_hint(fault(line, segment->column, "the node has inputs by name: which one does the chain feed?"),
                         "say it with as=NAME, or begin a new chain with ;");
  }
}

static void take_node(Line *line, const Segment *segment)
{
  const Word *first = &g_array_index(segment->words, Word, 0);
  gboolean named = first->equals != G_MAXSIZE;
  const char *use = named ? first->text + first->equals + 1 : first->text;
  g_autofree char *name = NULL, *stem = named ? NULL : stem_of(use);
  WeftYaml *node = yaml_new(WEFT_YAML_MAP, first->column);
  Pair as = {0}, model = {0}, precision = {0};
  const char *port = NULL;
  name = named ? g_strndup(first->text, first->equals) : free_name(line, stem);
  put(node, "use", first->column, scalar_new(use, named ? first->value_column : first->column, TRUE));
  for (guint i = 1; i < segment->words->len; i++) {
    Pair pair = {0};
    if (!pair_of(line, &g_array_index(segment->words, Word, i), &pair))
      continue;
    if (strcmp(pair.key, "as") == 0 && segment->chained)
      as = pair;
    else if (strcmp(pair.key, "port") == 0)
      port = pair.value;
    else if (strcmp(pair.key, "model") == 0)
      keep_once(line, &model, "model", &pair);
    else if (strcmp(pair.key, "precision") == 0)
      keep_once(line, &precision, "precision", &pair);
    else
      take_pair(line, node, &pair);
    g_free(pair.key);
  }
  take_model(line, node, &model, &precision);
  if (segment->chained && line->last)
    chain_in(line, node, segment, as.word ? &as : NULL);
  if (g_hash_table_contains(line->taken, name)) {
    fault(line, first->column, "the name \"%s\" is taken", name);
    weft_yaml_free(node);
    return;
  }
  line->last = put(line->nodes, name, first->column, node);
  g_hash_table_add(line->taken, g_strdup(name));
  g_ptr_array_add(line->order, (gpointer)line->last);
  if (port) {
    g_autofree char *carried = g_strconcat(name, ".", port, NULL);
    line->last = g_string_chunk_insert(line->texts, carried);
  }
}

/* NAME:TYPE[?] and keys. */
static void take_input(Line *line, const Segment *segment)
{
  const Word *first = &g_array_index(segment->words, Word, 0);
  const char *colon = strchr(first->text, ':');
  gboolean optional = g_str_has_suffix(colon, "?");
  g_autofree char *name = g_strndup(first->text, (gsize)(colon - first->text));
  g_autofree char *type = g_strndup(colon + 1, strlen(colon + 1) - optional);
  guint column = first->column + (guint)g_utf8_strlen(name, -1) + 1;
  WeftYaml *input = yaml_new(WEFT_YAML_MAP, first->column);
  put(input, "type", column, scalar_new(type, column, TRUE));
  if (optional)
    put(input, "optional", column, scalar_new("true", column, TRUE));
  for (guint i = 1; i < segment->words->len; i++) {
    Pair pair = {0};
    if (!pair_of(line, &g_array_index(segment->words, Word, i), &pair))
      continue;
    put_once(line, input, pair.key, pair.word->column, value_of(&pair));
    g_free(pair.key);
  }
  if (g_hash_table_contains(line->taken, name)) {
    fault(line, first->column, "the name \"%s\" is taken", name);
    weft_yaml_free(input);
    return;
  }
  line->last = put(line->inputs, name, first->column, input);
  g_hash_table_add(line->taken, g_strdup(name));
}

/* `out NAME=REFERENCE ...` */
static void take_out(Line *line, const Segment *segment)
{
  if (segment->words->len == 1)
    weft_diagnostic_hint(fault(line, segment->column, "out names no output"), "such as out digit=head.label");
  for (guint i = 1; i < segment->words->len; i++) {
    Pair pair = {0};
    if (!pair_of(line, &g_array_index(segment->words, Word, i), &pair))
      continue;
    put_once(line, line->outputs, pair.key, pair.word->column, value_of(&pair));
    g_free(pair.key);
  }
}

static void take_first(Line *line, const Segment *segment)
{
  const Word *first = &g_array_index(segment->words, Word, 0);
  const char *colon = strchr(first->text, ':');
  line->last = NULL;
  if (strcmp(first->text, "out") == 0 && !first->quoted)
    take_out(line, segment);
  else if (colon && first->equals == G_MAXSIZE)
    take_input(line, segment);
  else if (segment->words->len > 1 || first->equals != G_MAXSIZE || strchr(first->text, '@'))
    take_node(line, segment);
  else
    line->last = first->text;
}

static void take_segments(Line *line)
{
  for (guint i = 0; i < line->segments->len; i++) {
    const Segment *segment = line->segments->pdata[i];
    if (segment->words->len == 0) {
      /* A `;` may stand at the end. */
      if (segment->chained || i + 1 < line->segments->len || i == 0)
        weft_diagnostic_hint(fault(line, segment->column, segment->chained ? "nothing stands behind this !"
                                                                           : "an empty chain"),
                             "such as picture:image ! vit@1 model=models/vit");
    } else if (segment->chained) {
      take_node(line, segment);
    } else {
      take_first(line, segment);
    }
  }
}

/* Without `out`: what nothing reads. */
static void default_outputs(Line *line)
{
  if (weft_yaml_n(line->outputs))
    return;
  for (guint i = 0; i < line->order->len; i++)
    if (!g_hash_table_contains(line->used, line->order->pdata[i]))
      put(line->outputs, line->order->pdata[i], 1, scalar_new(line->order->pdata[i], 1, TRUE));
}

static WeftYaml *root_of(Line *line)
{
  WeftYaml *root = yaml_new(WEFT_YAML_MAP, 1);
  WeftYaml *const maps[] = {line->inputs, line->models, line->assets, line->nodes, line->outputs};
  static const char *const names[] = {"inputs", "models", "assets", "nodes", "outputs"};
  put(root, "weft", 1, scalar_new("1", 1, TRUE));
  put(root, "name", 1, scalar_new("one-line", 1, TRUE));
  for (guint i = 0; i < G_N_ELEMENTS(maps); i++) {
    if (weft_yaml_n(maps[i]) || i == 0 || i > 2)
      put(root, names[i], 1, maps[i]);
    else
      weft_yaml_free(maps[i]);
  }
  return root;
}

static gboolean is_sound(const char *text, WeftDiagnostics *diagnostics)
{
  gsize n = strlen(text);
  const char *bad = NULL;
  if (n > WEFT_ONELINE_MAX_BYTES)
    weft_diagnostics_add(diagnostics, "too-large", 1, 1, "%" G_GSIZE_FORMAT " bytes in one line, at most %u are read "
                         "(WEFT_ONELINE_MAX_BYTES)", n, WEFT_ONELINE_MAX_BYTES);
  else if (!g_utf8_validate(text, (gssize)n, &bad))
    weft_diagnostics_add(diagnostics, "utf-8", 1, (guint)g_utf8_strlen(text, bad - text) + 1, "not UTF-8: byte 0x%02x",
                         (guint)(guchar)*bad);
  else
    return TRUE;
  return FALSE;
}

WeftYaml *weft_oneline_parse(const char *text, WeftVariables *variables, WeftDiagnostics *diagnostics)
{
  if (!is_sound(text, diagnostics))
    return NULL;
  guint n_before = diagnostics->n_errors;
  Line line = {.diagnostics = diagnostics, .variables = variables, .text = text};
  WeftYaml **const maps[] = {&line.inputs, &line.models, &line.assets, &line.nodes, &line.outputs};
  for (guint i = 0; i < G_N_ELEMENTS(maps); i++)
    *maps[i] = yaml_new(WEFT_YAML_MAP, 1);
  line.segments = g_ptr_array_new_with_free_func(segment_free);
  line.taken = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
  line.counts = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
  line.model_names = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
  line.used = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
  line.order = g_ptr_array_new();
  line.texts = g_string_chunk_new(256);
  if (split(&line)) {
    take_segments(&line);
    default_outputs(&line);
  }
  WeftYaml *root = root_of(&line);
  g_ptr_array_unref(line.segments);
  g_ptr_array_unref(line.order);
  g_string_chunk_free(line.texts);
  g_hash_table_unref(line.taken);
  g_hash_table_unref(line.counts);
  g_hash_table_unref(line.model_names);
  g_hash_table_unref(line.used);
  if (diagnostics->n_errors == n_before)
    return root;
  weft_yaml_free(root);
  return NULL;
}
