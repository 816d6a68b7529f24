"""What tests of Outlast, of kinds and of adapters are made with. Nothing else imports it."""
