#include "towpath/view/progress.h"

#include <poll.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>

#include "towpath/base/format.h"
#include "towpath/base/quantity.h"

namespace towpath {
namespace {

constexpr auto kPlainEvery = std::chrono::seconds(5);
constexpr double kLongest = 100 * 3600;  // seconds

void put(int fd, const std::string& text) {
  // Progress that can't be shown is no reason to stop, nor to wait for a terminal that stands
  // still.
  pollfd ready{fd, POLLOUT, 0};
  if (::poll(&ready, 1, 0) != 1) return;
  [[maybe_unused]] const ssize_t written = ::write(fd, text.data(), text.size());
}

size_t width_of(int fd) {
  winsize size{};
  return ::ioctl(fd, TIOCGWINSZ, &size) == 0 && size.ws_col > 0 ? size.ws_col : 80;
}

}  // namespace

Progress::Progress(int fd) : fd_(fd), terminal_(::isatty(fd) == 1), last_line_(Clock::now()) {}

std::string Progress::line(const Snapshot& now, double rate) {
  const auto amount = [&now](double value, bool unit) {
    const uint64_t whole = static_cast<uint64_t>(std::max(0.0, value));
    if (now.in_bytes) return show_bytes(whole);
    return show_count(static_cast<int64_t>(whole)) + (unit ? " rows" : "");
  };
  const double done = static_cast<double>(now.done), total = static_cast<double>(now.total);
  std::string text = now.pipeline;
  if (now.total > 0) {
    text += format("  {} of {} ({:.0f}%)", amount(done, false), amount(total, true),
                   done / total * 100);
  } else {
    text += format("  {}", amount(done, true));
  }
  text += format("  {}/s", amount(rate, true));
  if (now.total > now.done && rate > 0) {
    const double left = (total - done) / rate;
    // One that hardly moves has no end to tell of.
    if (left < kLongest) {
      text += format("  {} left", show_duration(Millis{static_cast<int64_t>(left * 1000)}));
    }
  }
  if (now.rejected > 0) text += format("  {} rejected", show_count(now.rejected));
  const auto busiest = std::max_element(
      now.stages.begin(), now.stages.end(),
      [](const StageSnapshot& a, const StageSnapshot& b) { return a.queued < b.queued; });
  if (busiest != now.stages.end() && busiest->queued > 0) {
    text += format("  {} waits with {} batches", busiest->name, busiest->queued);
  }
  return text;
}

void Progress::show(const Snapshot& now) {
  const double passed = now.seconds - last_seconds_;
  if (passed > 0.05) {
    const double latest = static_cast<double>(now.done - std::min(now.done, last_done_)) / passed;
    rate_ = rate_ == 0 ? latest : rate_ * 0.8 + latest * 0.2;
    last_seconds_ = now.seconds;
    last_done_ = now.done;
  }
  if (terminal_) {
    std::string text = line(now, rate_);
    text.resize(std::min(text.size(), width_of(fd_) - 1));
    put(fd_, "\r\x1b[K" + text);
    shown_ = true;
  } else if (Clock::now() - last_line_ >= kPlainEvery) {
    last_line_ = Clock::now();
    put(fd_, line(now, rate_) + "\n");
  }
}

void Progress::finish() {
  if (terminal_ && shown_) put(fd_, "\r\x1b[K");
  shown_ = false;
}

}  // namespace towpath
