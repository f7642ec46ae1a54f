//! Windows event logs (.evtx) to timeline rows.
