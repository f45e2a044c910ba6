//! The two machines in virtual time: the table of every (state, input), and the contract's sentences.
