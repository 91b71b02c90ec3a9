//! RTCP (RFC 3550 §6, RFC 4585, RFC 5104, transport-wide congestion control): what arrives as typed values,
//! what leaves as bytes at the end of a buffer, and the state behind reports, NACKs and key frame requests.

mod feedback;
mod key_frame_requester;
mod nack_generator;
mod packet_count;
mod packet_writer;
mod reception;
mod rtcp_reader;
mod sender_report;
#[cfg(test)]
mod test_clock;
mod twcc_feedback;
mod twcc_recorder;

pub(crate) use feedback::{write_cname, write_nack, write_pli, write_receiver_report};
pub(crate) use key_frame_requester::{KeyFrameAllowance, KeyFrameRequester};
pub(crate) use nack_generator::NackGenerator;
pub(crate) use packet_count::PacketCount;
pub(crate) use reception::Reception;
pub(crate) use rtcp_reader::{ReportBlock, Rtcp, RtcpReader};
pub(crate) use sender_report::{SenderReport, write_sender_report};
pub(crate) use twcc_feedback::TwccClock;
pub(crate) use twcc_recorder::TwccRecorder;
