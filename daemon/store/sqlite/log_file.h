#pragma once

namespace webhookd {

// The name of an SQLite VFS, for connections that write with synchronous = FULL: the default one,
// but what is appended to a write-ahead log is written at once when the log is synced or read.
// SQLite writes each page in two pieces, a commit in dozens, and to the kernel a small write costs
// nearly what a large one does. Other connections read a page of a log after a commit alone, which
// is synced to its last byte: with FULL, and powersafe overwrites, SQLite's default. A write that
// fails is reported by the sync.
//
// Thread-safe. Throws std::runtime_error when SQLite takes no VFS.
const char* log_gathering_vfs();

}  // namespace webhookd
