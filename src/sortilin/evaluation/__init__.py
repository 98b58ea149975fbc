"""How good predictions are: metrics and calibration."""
