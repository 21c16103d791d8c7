/* SPDX-License-Identifier: Apache-2.0 */
/* ASTModel as a plan (Gong et al. 2021, "AST: Audio Spectrogram Transformer", section 2.1). */
#include "ast.h"

static const char *const architectures[] = {"ASTModel", "ASTForAudioClassification", NULL};
static const char *const prefixes[] = {"", "audio_spectrogram_transformer.", NULL};

static void read_geometry(struct ast *ast, struct weft_nn_model *m)
{
  if (m->status != WEFT_OK)
    return;
  ast->patch = weft_json_int_or(m->config, "patch_size", 16, 1, WEFT_LOGMEL_MAX_BINS);
  ast->stride_bins = weft_json_int_or(m->config, "frequency_stride", 10, 1, WEFT_LOGMEL_MAX_BINS);
  ast->stride_frames = weft_json_int_or(m->config, "time_stride", 10, 1, WEFT_LOGMEL_MAX_FRAMES);
  ast->n_frames = weft_json_int_or(m->config, "max_length", 1024, 1, WEFT_LOGMEL_MAX_FRAMES);
  ast->n_bins = weft_json_int_or(m->config, "num_mel_bins", 128, 1, WEFT_LOGMEL_MAX_BINS);
  if (weft_nn_model_check(m, m->config) != WEFT_OK)
    return;
  if (ast->patch > ast->n_bins || ast->patch > ast->n_frames) {
    weft_nn_model_fail(m, WEFT_BAD_CONFIG,
                       "config.json: a patch of %lld x %lld does not fit into a spectrogram of %lld bins x %lld frames",
                       (long long)ast->patch, (long long)ast->patch, (long long)ast->n_bins, (long long)ast->n_frames);
    return;
  }
  ast->n_bands = (ast->n_bins - ast->patch) / ast->stride_bins + 1;
  ast->n_times = (ast->n_frames - ast->patch) / ast->stride_frames + 1;
}

static void read_preprocessing(struct ast *ast, struct weft_nn_model *m)
{
  char message[WEFT_MESSAGE_BYTES];
  struct weft_logmel_settings settings;
  struct weft_json *json = weft_nn_model_json(m, "preprocessor_config.json");
  if (!json)
    return;
  weft_logmel_settings_read(json, &settings);
  if (weft_nn_model_check(m, json) == WEFT_OK && (settings.n_bins != ast->n_bins || settings.n_frames != ast->n_frames))
    weft_nn_model_fail(m, WEFT_BAD_CONFIG,
                       "preprocessor_config.json makes %d mel bins x %d frames, but config.json says num_mel_bins %lld "
                       "and max_length %lld",
                       settings.n_bins, settings.n_frames, (long long)ast->n_bins, (long long)ast->n_frames);
  ast->rate_hz = settings.rate_hz;
  if (m->status == WEFT_OK) {
    weft_status status = weft_logmel_new(&settings, &ast->mel, message);
    if (status != WEFT_OK)
      weft_nn_model_fail(m, status, "preprocessor_config.json: %s", message);
  }
  weft_json_close(json);
}

/* features [frames, bins] -> embeddings [2 + patches, d]; patches band by band, each from early to late */
static weft_value record_embeddings(const struct ast *ast, struct weft_nn_model *m, int64_t d)
{
  int64_t n = ast->n_bands * ast->n_times;
  weft_value kernel = weft_nn_model_weight(m, 4, (int64_t[]){d, 1, ast->patch, ast->patch},
                                           "embeddings.patch_embeddings.projection.weight");
  weft_value bias = weft_nn_model_weight(m, 1, &d, "embeddings.patch_embeddings.projection.bias");
  weft_value token = weft_nn_model_weight(m, 3, (int64_t[]){1, 1, d}, "embeddings.cls_token");
  weft_value teacher = weft_nn_model_weight(m, 3, (int64_t[]){1, 1, d}, "embeddings.distillation_token");
  weft_value positions =
      weft_nn_model_weight(m, 3, (int64_t[]){1, n + AST_N_SPECIAL, d}, "embeddings.position_embeddings");
  if (m->status != WEFT_OK)
    return WEFT_NO_VALUE;
  struct weft_nn_conv2d conv = {.height = ast->n_bins, .width = ast->n_frames, .channels = 1, .kernel_y = ast->patch,
                                .kernel_x = ast->patch, .stride_y = ast->stride_bins, .stride_x = ast->stride_frames,
                                .at_y = 1, .at_x = ast->n_bins, .at_channel = 1};
  weft_value features = weft_nn_input(m->plan, "features", weft_f32(), WEFT_NO_VALUE, ast->n_bins * ast->n_frames);
  weft_value x = weft_nn_conv2d(m->plan, features, &conv, kernel, bias);
  x = weft_nn_prepend(m->plan, weft_nn_prepend(m->plan, x, teacher), token);
  return weft_nn_add_position(m->plan, x, positions, 0);
}

weft_status ast_model_read(struct ast *ast, const struct weft_host *host, struct weft_setup *setup,
                           const struct weft_config *config)
{
  struct weft_nn_model m;
  struct weft_nn_transformer t;
  const struct weft_compute *compute = weft_nn_compute(host, setup);
  if (!compute)
    return WEFT_UNAVAILABLE;
  weft_nn_model_open(&m, host, setup, config, "ast", architectures);
  weft_nn_model_prefix(&m, "embeddings.cls_token", prefixes);
  weft_nn_transformer_read(&m, WEFT_NN_NORM_BEFORE, &t);
  read_geometry(ast, &m);
  read_preprocessing(ast, &m);
  weft_value x = record_embeddings(ast, &m, t.d_model), pooled = WEFT_NO_VALUE;
  x = weft_nn_transformer_record(&m, &t, x);
  x = weft_nn_model_norm(&m, x, t.d_model, t.eps, "layernorm");
  if (m.status == WEFT_OK) /* the mean of class and distillation token */
    pooled = weft_nn_mean_rows(m.plan, weft_nn_slice_rows(m.plan, x, 0, AST_N_SPECIAL));
  struct weft_nn_encoder_shape shape = {.d_model = t.d_model, .d_pooled = t.d_model, .n_layers = t.n_layers,
                                        .n_tokens = AST_N_SPECIAL + ast->n_bands * ast->n_times, .d_origin = 2,
                                        .digest = config->model_digest, .n_inputs = 1};
  weft_status status = weft_nn_encoder_init(&ast->encoder, &m, compute, &shape, (weft_value[]){x, pooled});
  weft_nn_model_close(&m);
  return status;
}
