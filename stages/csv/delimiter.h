#pragma once
#include "towpath/stage/settings.h"
#include "towpath/stage/stage_spec.h"

// The field that csv.read and csv.write share.
inline towpath::FieldSpec delimiter_field() {
  return towpath::field("delimiter", towpath::FieldKind::kString)
      .default_value("\",\"")
      .about("The byte between two cells; \"\\t\" or tab for a tab.");
}

// Invalid when it is not one byte, or one that CSV itself needs.
char delimiter_of(const towpath::Settings& settings);
