//! The media plane as participants experience it. One file per behaviour.

mod first_picture;
mod scenario;
