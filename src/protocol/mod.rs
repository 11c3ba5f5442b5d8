//! Request and Reply and their bytes.
