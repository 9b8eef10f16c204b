"""Run the network: one interface, several engines."""
