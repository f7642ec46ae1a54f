//! Reader for Windows event trace logs (.etl) that needs no Windows.
