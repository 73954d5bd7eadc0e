#include "memory/saved_bytes.h"

#include <torch/csrc/autograd/engine.h>
#include <torch/csrc/autograd/saved_variable_hooks.h>

#include <map>
#include <mutex>
#include <stdexcept>
#include <utility>

namespace lethe::memory {

using torch::Tensor;
using torch::autograd::Engine;

/// Weak references keep the addresses of storages from being used again, and hold no data.
struct SavedBytes::Count {
  std::map<const c10::StorageImpl*, c10::weak_intrusive_ptr<c10::StorageImpl>> storages;
  int64_t bytes = 0;

  void Add(const Tensor& x, bool counts) {
    if (!x.defined() || !x.has_storage()) return;
    const c10::Storage& storage = x.storage();
    const bool is_new = storages.emplace(storage.unsafeGetStorageImpl(), storage.getWeakStorageImpl()).second;
    if (is_new && counts) bytes += static_cast<int64_t>(storage.nbytes());
  }
};

namespace {

/// Called for every tensor that is saved; keeps it as autograd would.
template <class Count>
class CountingHooks : public torch::autograd::SavedVariableHooks {
 public:
  explicit CountingHooks(std::shared_ptr<Count> count) : count_(std::move(count)) {}
  void call_pack_hook(const Tensor& x) override {
    count_->Add(x, true);
    saved_ = x.detach();
  }
  Tensor call_unpack_hook() override { return saved_; }

 private:
  const std::shared_ptr<Count> count_;
  Tensor saved_;
};

thread_local std::shared_ptr<void> counting;  // Count of this thread
thread_local std::unique_ptr<torch::autograd::SavedVariableHooks> (*make_hooks)() = nullptr;

/// Autograd asks its engine for hooks around what is saved; LibTorch's own has none outside Python. This one answers
/// for the threads that count, and leaves all else to LibTorch's.
class CountingEngine : public Engine {
 public:
  ~CountingEngine() override { stop(); }  // Engine asks it of whoever derives from it
  torch::autograd::variable_list execute(const torch::autograd::edge_list& roots,
                                         const torch::autograd::variable_list& inputs, bool keep_graph,
                                         bool create_graph, bool accumulate_grad,
                                         const torch::autograd::edge_list& outputs) override {
    return get_base_engine().execute(roots, inputs, keep_graph, create_graph, accumulate_grad, outputs);
  }
  c10::intrusive_ptr<at::ivalue::Future> execute_with_graph_task(
      const std::shared_ptr<torch::autograd::GraphTask>& task, std::shared_ptr<torch::autograd::Node> root,
      torch::autograd::InputBuffer&& buffer) override {
    return get_base_engine().execute_with_graph_task(task, std::move(root), std::move(buffer));
  }
  std::unique_ptr<torch::autograd::SavedVariableHooks> get_default_saved_variable_hooks() override {
    return make_hooks == nullptr ? nullptr : make_hooks();
  }
};

Engine& CountingEngineStub() {
  static CountingEngine engine;
  return engine;
}

std::mutex installed_mutex;
int installed = 0;  // counters alive on all threads

void Install(int change) {
  const std::lock_guard lock(installed_mutex);
  installed += change;
  torch::autograd::set_default_engine_stub(installed > 0 ? &CountingEngineStub : &Engine::get_base_engine);
}

}  // namespace

SavedBytes::SavedBytes(const std::vector<Tensor>& parameters) : count_(std::make_shared<Count>()) {
  if (counting != nullptr) throw std::logic_error("SavedBytes: this thread counts already");
  for (const Tensor& p : parameters) count_->Add(p, false);
  counting = count_;
  make_hooks = []() -> std::unique_ptr<torch::autograd::SavedVariableHooks> {
    return std::make_unique<CountingHooks<Count>>(std::static_pointer_cast<Count>(counting));
  };
  Install(1);
}

SavedBytes::~SavedBytes() {
  Install(-1);
  make_hooks = nullptr;
  counting = nullptr;
}

int64_t SavedBytes::bytes() const { return count_->bytes; }

}  // namespace lethe::memory
