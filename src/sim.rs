//! Floor 7: the outside world, simulated over HTTP.
