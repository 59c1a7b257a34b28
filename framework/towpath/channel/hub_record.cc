#include "towpath/channel/hub_record.h"

#include <cstring>

#include "towpath/base/error.h"

namespace towpath {

void append_record(std::string& message, HubRecord record, std::string_view body) {
  record.size = static_cast<uint32_t>(body.size());
  char head[sizeof record];
  std::memcpy(head, &record, sizeof record);
  message.append(head, sizeof head).append(body);
}

uint64_t HubRecords::number() {
  uint64_t number;
  if (rest_.size() < sizeof number) throw Invalid("a message of the hub is cut short");
  std::memcpy(&number, rest_.data(), sizeof number);
  rest_.remove_prefix(sizeof number);
  return number;
}

std::optional<HubRecords::Read> HubRecords::next() {
  if (rest_.empty()) return std::nullopt;
  Read read;
  if (rest_.size() < sizeof read.record) throw Invalid("a message of the hub is cut short");
  std::memcpy(&read.record, rest_.data(), sizeof read.record);
  rest_.remove_prefix(sizeof read.record);
  if (rest_.size() < read.record.size) throw Invalid("a message of the hub is cut short");
  read.body = rest_.substr(0, read.record.size);
  rest_.remove_prefix(read.record.size);
  return read;
}

}  // namespace towpath
