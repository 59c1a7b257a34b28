#pragma once
#include <cstdint>
#include <iterator>
#include <map>

#include "towpath/message/codec.h"

struct Item {
  int putter = 0;
  int number = 0;
  TOWPATH_FIELDS(putter, number)
};

// The numbers of one putter's items that were seen, in whatever order they came.
class Seen {
 public:
  // False: it was seen before.
  bool add(int number) {
    auto next = runs_.upper_bound(number);
    const auto before = next == runs_.begin() ? runs_.end() : std::prev(next);
    if (before != runs_.end() && number < before->second) return false;
    ++count_;
    const bool follows = before != runs_.end() && before->second == number;
    const bool leads = next != runs_.end() && next->first == number + 1;
    int end = number + 1;
    if (leads) {
      end = next->second;
      runs_.erase(next);
    }
    if (follows) {
      before->second = end;
    } else {
      runs_.emplace(number, end);
    }
    return true;
  }
  int count() const { return count_; }
  int end() const { return runs_.empty() ? 0 : runs_.rbegin()->second; }  // behind the highest

 private:
  std::map<int, int> runs_;  // from, to
  int count_ = 0;
};
