"""Floor 6: the dashboard. Thin Streamlit pages, one question each, over pure view functions."""
