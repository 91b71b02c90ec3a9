//! Every bound of the control plane, with its reason. Reaching one is counted, never fatal.
