#include "tools/signals.h"

#include <signal.h>

#include <atomic>

namespace lethe::tools {
namespace {

std::atomic<int> received{0};
static_assert(std::atomic<int>::is_always_lock_free);  // or a handler must not touch it

void Remember(int signal) { received = signal; }

void Handle(int signal, void (*handler)(int), int flags = 0) {
  struct sigaction action = {};
  action.sa_handler = handler;
  action.sa_flags = flags;
  ::sigemptyset(&action.sa_mask);
  ::sigaction(signal, &action, nullptr);
}

}  // namespace

StopSignals::StopSignals() {
  received = 0;
  for (const int signal : {SIGINT, SIGTERM}) Handle(signal, Remember, SA_RESETHAND | SA_RESTART);
  Handle(SIGXFSZ, SIG_IGN);
}

StopSignals::~StopSignals() {
  for (const int signal : {SIGINT, SIGTERM, SIGXFSZ}) Handle(signal, SIG_DFL);
}

int StopSignals::Received() { return received; }

const char* StopSignals::Name(int signal) { return signal == SIGINT ? "SIGINT" : "SIGTERM"; }

}  // namespace lethe::tools
