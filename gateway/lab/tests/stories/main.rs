//! The media plane as participants experience it. One file per behaviour.

mod downlink_step;
mod first_picture;
mod hd_by_class;
mod hostile;
mod loss;
mod narrow_uplink;
mod rooms;
mod small_publisher;
mod uplink_step;
mod voice;

use lab::scenario;
