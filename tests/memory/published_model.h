#pragma once

#include <map>
#include <string>
#include <vector>

#include "memory/torch.h"
#include "tests/memory/published_weight.h"
#include "tests/memory/reference_case.h"

namespace lethe::memory {

/// What the published models share.
inline void SetPublishedOptions(const ReferenceCase& c, TransformerOptions& o) {
  o.layers = c.Get<int64_t>("nlayers");
  o.dim = c.Get<int64_t>("hid_sz");
  o.heads = c.Get<int64_t>("nheads");
  o.head_dim = c.Get<int64_t>("head_dim");
  o.ffn = c.Get<int64_t>("inner_hid_sz");
  o.pre_norm = c.Get<bool>("pre_norm") && c.kind() != "attn";  // attention alone has no norms
  o.published = true;
}

/// The published language model around a production memory: embedding, memory, output layer.
template <class CoreType>
class PublishedModel {
 public:
  /// Takes every weight of the case that the model has; a weight of the file without a place here is an error.
  template <class Options>
  PublishedModel(const ReferenceCase& c, const Options& options, torch::Dtype dtype) : core(options) {
    core.to(dtype);
    const int64_t vocabulary = c.Get<int64_t>("vocab_sz");
    const auto type = torch::TensorOptions().dtype(dtype).requires_grad(true);
    embed = torch::zeros({vocabulary, options.dim}, type);
    output = torch::zeros({vocabulary, options.dim}, type);
    output_bias = torch::zeros({vocabulary}, type);
    for (size_t l = 0; l < core.layers().size(); ++l)
      AddLayerWeights(c.kind() == "attn" ? "" : "layers." + std::to_string(l) + ".", core.layers()[l], weights);
    const auto all = [&](const char* name, const torch::Tensor& p) { weights.push_back({name, p, 0, p.size(0)}); };
    all("key_pe", core.position_keys());
    all("embed.weight", embed), all("output.weight", output), all("output.bias", output_bias);
    if (options.pre_norm)
      all("out_norm.weight", core.stack().out_norm()), all("out_norm.bias", core.stack().out_norm_bias());
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

  CoreType core;
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
