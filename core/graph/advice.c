/* SPDX-License-Identifier: Apache-2.0 */
/* What would fit where something does not: another output of the same source, or an installed plugin between the two. */
#include "resolve.h"

#include <string.h>

static const WeftPortSpec *fitting_output(const WeftPluginSpec *spec, const WeftPortSpec *input)
{
  for (guint i = 0; i < spec->outputs->len; i++) {
    const WeftPortSpec *output = spec->outputs->pdata[i];
    if (!output->base && !output->explain && weft_port_specs_fit(input, output))
      return output;
  }
  return NULL;
}

static gboolean takes(const WeftPluginSpec *spec, const WeftPortSpec *output)
{
  for (guint i = 0; i < spec->inputs->len; i++) {
    const WeftPortSpec *input = spec->inputs->pdata[i];
    if (!input->base && weft_port_specs_fit(input, output))
      return TRUE;
  }
  return FALSE;
}

/* "gated@1.0.0, pool@1.2.0": plugins that take the output and give what the input takes. */
static char *converters(WeftBuilder *builder, const WeftPortSpec *output, const WeftPortSpec *input)
{
  GString *list = g_string_new(NULL);
  g_autoptr(GPtrArray) rows = weft_catalogue_list(builder->catalogue, NULL);
  for (guint i = 0; rows && i < rows->len; i++) {
    const WeftPluginRow *row = rows->pdata[i];
    g_autoptr(WeftManifest) manifest =
        row->usable ? weft_manifest_parse(row->manifest, strlen(row->manifest), row->id, NULL) : NULL;
    const WeftPluginSpec *spec = manifest ? weft_manifest_find(manifest, row->id) : NULL;
    if (spec && strcmp(spec->kind, WEFT_KIND_READER) != 0 && takes(spec, output) && fitting_output(spec, input))
      g_string_append_printf(list, "%s%s@%s", list->len ? ", " : "", row->id, row->version);
  }
  return g_string_free(list, FALSE);
}

void weft_advise(WeftBuilder *builder, const WeftBinding *binding, WeftDiagnostic *fault)
{
  if (!binding->reference)
    return;
  const WeftStep *source = &builder->revision->steps[binding->step];
  const WeftPortSpec *fitting = fitting_output(source->found->spec, binding->spec);
  if (fitting && fitting != source->found->spec->outputs->pdata[binding->output]) {
    weft_diagnostic_hint(fault, "\"%s.%s\" would fit", source->name, fitting->name);
    return;
  }
  g_autofree char *list = converters(builder, source->found->spec->outputs->pdata[binding->output], binding->spec);
  if (*list)
    weft_diagnostic_hint(fault, "installed plugins that turn the one into the other: %s", list);
}
