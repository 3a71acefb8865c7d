//! A plugin that nothing but the macro's code refers to is no dead code.
#![deny(warnings)]

mod inner {
    use palisade_sdk::{Host, Reject, data, plugin};

    #[derive(Default)]
    struct Hidden;

    #[data]
    struct Input {
        name: String,
    }

    #[plugin]
    impl Hidden {
        #[command]
        fn greet(&self, host: &Host, input: Input) -> Result<String, Reject> {
            host.info(&input.name);
            Ok(input.name)
        }

        #[init]
        fn init() -> Self {
            Self
        }
    }
}

fn main() {}
