#pragma once
#include "helpers.h"
#include "start_methods.h"
#include "towpath/base/error.h"
#include "towpath/channel/connection.h"
#include "transports.h"

inline void echo_until_end(towpath::Connection line) {
  try {
    for (;;) line.send_bytes(line.recv_bytes());
  } catch (const towpath::EndOfStream&) {
  }
}
