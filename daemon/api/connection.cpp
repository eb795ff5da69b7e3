#include "api/connection.h"

#include <sys/socket.h>

#include <cerrno>

namespace webhookd {

Sent send_unsent(Connection& connection) {
  while (connection.unsent_start < connection.unsent.size()) {
    const ssize_t count =
        ::send(connection.fd.get(), connection.unsent.data() + connection.unsent_start,
               connection.unsent.size() - connection.unsent_start, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (count >= 0) {
      connection.unsent_start += static_cast<std::size_t>(count);
    } else if (errno == EAGAIN || errno == EWOULDBLOCK) {
      return Sent::some;
    } else if (errno != EINTR) {
      return Sent::broken;
    }
  }
  free_text(connection.unsent);
  connection.unsent_start = 0;
  return Sent::all;
}

}  // namespace webhookd
