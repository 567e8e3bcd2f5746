//! The command `reslstm`.

fn main() -> std::process::ExitCode {
    reslstm_cli::run()
}
