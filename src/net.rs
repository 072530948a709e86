//! Floor 2: sockets with their guards.
