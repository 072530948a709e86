//! Floor 1: the decisions of the mission.
