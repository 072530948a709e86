//! Floor 8: build, bind, start, drain.
