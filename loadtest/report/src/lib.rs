//! What a measurement leaves behind: results as JSON, tables for a terminal, pictures of time series.

pub mod plot;
pub mod results;
pub mod table;
