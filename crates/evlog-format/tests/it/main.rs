//! The claims of evlog-format: bytes in both directions, every refusal, and the page that describes them.

#[cfg(test)]
mod codec;
#[cfg(test)]
mod commit;
#[cfg(test)]
mod frame;
#[cfg(test)]
mod page;
#[cfg(test)]
mod payload;
#[cfg(test)]
mod pins;
#[cfg(test)]
mod segment;
#[cfg(test)]
mod support;
