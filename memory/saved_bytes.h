#pragma once

#include <torch/types.h>

#include <memory>
#include <vector>

namespace lethe::memory {

/// Counts what autograd saves for the backward pass while it lives, on the thread that made it: the bytes of every
/// storage once, however many operators save it or views of it. Parameters are not counted: they are there anyway.
///
/// Gradients are what they are without it; saving costs a look-up more per tensor. Works for every core and device,
/// also where LibTorch runs without Python. Threads: one per thread at a time; destroy it on its own thread.
class SavedBytes {
 public:
  explicit SavedBytes(const std::vector<torch::Tensor>& parameters);
  ~SavedBytes();
  SavedBytes(const SavedBytes&) = delete;
  SavedBytes& operator=(const SavedBytes&) = delete;

  int64_t bytes() const;

 private:
  struct Count;
  std::shared_ptr<Count> count_;
};

}  // namespace lethe::memory
