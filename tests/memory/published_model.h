#pragma once

#include <torch/torch.h>

#include <map>
#include <string>
#include <vector>

#include "memory/expire_span.h"
#include "tests/memory/reference_case.h"

namespace lethe::memory {

/// A published weight: rows [from, to) of one of our parameters.
struct PublishedWeight {
  std::string name;
  torch::Tensor parameter;
  int64_t from, to;

  torch::Tensor Of(const torch::Tensor& x) const { return x.slice(0, from, to); }
  torch::Tensor value() const { return Of(parameter); }
  torch::Tensor grad() const {
    return parameter.grad().defined() ? Of(parameter.grad()).clone() : torch::zeros_like(value());
  }
};
using PublishedWeights = std::vector<PublishedWeight>;

/// The one table of names: published weights of a layer and where they live in ours. Published linear weights carry
/// the suffix `.weight`; keys and values are one parameter here.
inline void AddLayerWeights(const std::string& prefix, const TransformerLayer& layer, PublishedWeights& weights) {
  const auto all = [&](const char* name, const torch::Tensor& p) { weights.push_back({prefix + name, p, 0, p.size(0)}); };
  const int64_t width = layer.query.size(0);
  all("query.weight", layer.query);
  weights.push_back({prefix + "key.weight", layer.key_value, 0, width});
  weights.push_back({prefix + "value.weight", layer.key_value, width, 2 * width});
  all("out.weight", layer.out);
  all("ff1.weight", layer.ff1), all("ff1.bias", layer.ff1_bias);
  all("ff2.weight", layer.ff2), all("ff2.bias", layer.ff2_bias);
  all("norm1.weight", layer.norm1), all("norm1.bias", layer.norm1_bias);
  all("norm2.weight", layer.norm2), all("norm2.bias", layer.norm2_bias);
  all("span.weight", layer.span), all("span.bias", layer.span_bias);
}

inline ExpireSpanOptions PublishedOptions(const ReferenceCase& c) {
  ExpireSpanOptions o;
  o.layers = c.Get<int64_t>("nlayers");
  o.dim = c.Get<int64_t>("hid_sz");
  o.heads = c.Get<int64_t>("nheads");
  o.head_dim = c.Get<int64_t>("head_dim");
  o.ffn = c.Get<int64_t>("inner_hid_sz");
  o.span_limit = c.Get<double>("attn_lim");
  o.ramp = c.Get<double>("expire_span_ramp");
  o.positions = c.Get<int64_t>("mem_sz");
  o.pre_norm = c.Get<bool>("pre_norm") && c.kind() != "attn";  // attention alone has no norms
  o.span_pre_division = c.Get<double>("expire_span_pre_div");
  o.published = true;
  return o;
}

/// The published language model around the production memory: embedding, memory, output layer.
class PublishedModel {
 public:
  /// Takes every weight of the case that the model has; a weight of the file without a place here is an error.
  PublishedModel(const ReferenceCase& c, torch::Dtype dtype) : core(PublishedOptions(c)) {
    core.to(dtype);
    const int64_t vocabulary = c.Get<int64_t>("vocab_sz"), dim = core.options().dim;
    const auto options = torch::TensorOptions().dtype(dtype).requires_grad(true);
    embed = torch::zeros({vocabulary, dim}, options);
    output = torch::zeros({vocabulary, dim}, options);
    output_bias = torch::zeros({vocabulary}, options);
    for (size_t l = 0; l < core.layers().size(); ++l)
      AddLayerWeights(c.kind() == "attn" ? "" : "layers." + std::to_string(l) + ".", core.layers()[l], weights);
    const auto all = [&](const char* name, const torch::Tensor& p) { weights.push_back({name, p, 0, p.size(0)}); };
    all("key_pe", core.position_keys());
    all("embed.weight", embed), all("output.weight", output), all("output.bias", output_bias);
    if (core.options().pre_norm) all("out_norm.weight", core.stack().out_norm()), all("out_norm.bias", core.stack().out_norm_bias());
    Load(c);
  }

  torch::Tensor Embed(const torch::Tensor& tokens) const { return torch::embedding(embed, tokens); }
  torch::Tensor Logits(const torch::Tensor& y) const { return torch::linear(y, output, output_bias); }

  /// Every parameter once.
  std::vector<torch::Tensor> Parameters() const {
    std::vector<torch::Tensor> all = core.parameters();
    all.insert(all.end(), {embed, output, output_bias});
    return all;
  }
  void ZeroGradients() {
    for (torch::Tensor& p : Parameters()) p.mutable_grad() = torch::Tensor();
  }

  ExpireSpan core;
  torch::Tensor embed, output, output_bias;
  PublishedWeights weights;

 private:
  void Load(const ReferenceCase& c) {
    const torch::NoGradGuard no_grad;
    std::map<std::string, const PublishedWeight*> places;
    for (const PublishedWeight& w : weights) places[w.name] = &w;
    for (const configs::TensorView& view : c.tensors()) {
      if (!view.name.starts_with("weight.")) continue;
      const auto place = places.find(view.name.substr(7));
      if (place == places.end()) throw std::runtime_error(c.name() + ": no place for " + view.name);
      const torch::Tensor value = ToTorch(view), to = place->second->value();
      if (value.sizes() != to.sizes()) throw std::runtime_error(c.name() + ": " + view.name + " has another shape");
      to.copy_(value);
    }
  }
};

}  // namespace lethe::memory
