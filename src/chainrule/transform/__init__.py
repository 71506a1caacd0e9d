"""Program in, Program out: forward, reverse, batch, simplify. They compose to any order and depth."""
