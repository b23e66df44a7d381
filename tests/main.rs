
mod run_store;
