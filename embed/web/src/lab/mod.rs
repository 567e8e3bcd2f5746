//! What the lab's page computes: everything between samples and probabilities and the whole way back, with or without a change
//! ([`clip`]), the same of sound that arrives ([`live`]), derivatives ([`derivative`]), the way of a gradient through an untrained LSTM ([`forget`]), planted faults
//! ([`faults`]) and training ([`train`]).

mod clip;
mod derivative;
mod faults;
mod forget;
mod live;
mod train;
