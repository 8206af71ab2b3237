"""The search for methods: tableaux with unknown coefficients, and the order conditions solved for them."""
